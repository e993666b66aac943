//! Measures the release binary against its own scripted upstream, over loopback, and prints one table.
//!
//! Trust CPU per request and ratios of one run; absolute times of a shared machine mean little. `README.md` beside this
//! crate tells how to read the figures.
#![expect(clippy::print_stdout, reason = "a program whose output is its result")]

mod gateway;
mod http1;
mod load;
mod process;
mod report;
mod upstream;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use gateway::Gateway;
use load::{Load, Outcome, Plan};
use report::Table;
use upstream::Upstream;

const HELP: &str = "usage: cargo xtask bench [--seconds N] [--rounds N] [--save FILE] [--against FILE] [--binary PATH]";

struct Options {
    seconds: u64,
    rounds: u32,
    save: Option<PathBuf>,
    against: Option<PathBuf>,
    binary: PathBuf,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    let outcome = match first.as_deref() {
        Some("upstream") => upstream::run(),
        Some("--help" | "-h") => {
            println!("{HELP}");
            Ok(())
        }
        _ => options(first.into_iter().chain(arguments)).and_then(|options| measure(&options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let binary = PathBuf::from("target/release/modelgate");
    let mut options = Options {
        seconds: 4,
        rounds: 3,
        save: None,
        against: None,
        binary,
    };
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or(HELP)?;
        let number = || {
            value
                .parse::<u32>()
                .ok()
                .filter(|&number| number > 0)
                .ok_or(HELP)
        };
        match name.as_str() {
            "--seconds" => options.seconds = number()?.into(),
            "--rounds" => options.rounds = number()?,
            "--save" => options.save = Some(value.into()),
            "--against" => options.against = Some(value.into()),
            "--binary" => options.binary = value.into(),
            _ => return Err(HELP.into()),
        }
    }
    Ok(options)
}

fn measure(options: &Options) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let table = runtime.block_on(rows(options))?;
    let before = options.against.as_deref().map(Table::read).transpose()?;
    println!("{}", table.markdown(before.as_ref()));
    options
        .save
        .as_deref()
        .map_or(Ok(()), |file| table.write(file))
}

async fn rows(options: &Options) -> Result<Table, String> {
    let upstream = Upstream::start()?;
    let mut gateway = Gateway::start(&options.binary)?;
    let key = gateway.set_up(upstream.address()).await?;
    let mut table = Table::default();
    let size = std::fs::metadata(&options.binary)
        .map_err(|error| error.to_string())?
        .len();
    table.add("release binary", "MB", bytes_as_mb(size));
    gateway.restart()?;
    for _ in 0..options.rounds {
        gateway.restart()?;
        table.add(
            "cold start to first answer",
            "ms",
            gateway.first_answer(&key).await?,
        );
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    table.add("idle resident memory", "MiB", gateway.rss_mib());
    for _ in 0..options.rounds {
        for (name, plan) in plans(options.seconds) {
            let direct = Load::new(upstream.address(), "direct", plan).run().await?;
            let before = gateway.cpu();
            let outcome = Load::new(gateway.address(), &key, plan).run().await?;
            let cpu = gateway.cpu().saturating_sub(before);
            add(&mut table, name, plan, &outcome, &direct, cpu);
        }
    }
    gateway.stop();
    Ok(table)
}

const fn plans(seconds: u64) -> [(&'static str, Plan); 4] {
    let span = Duration::from_secs(seconds);
    let plain = Plan {
        connections: 64,
        span,
        body_bytes: 600,
        chunks: 0,
        chunk_delay: Duration::ZERO,
    };
    [
        ("chat", plain),
        (
            "1 MB prompt",
            Plan {
                connections: 16,
                body_bytes: 1_000_000,
                ..plain
            },
        ),
        (
            "stream of 50 chunks",
            Plan {
                chunks: 50,
                ..plain
            },
        ),
        (
            "64 paced streams",
            Plan {
                chunks: 10,
                chunk_delay: Duration::from_millis(100),
                ..plain
            },
        ),
    ]
}

fn add(
    table: &mut Table,
    name: &str,
    plan: Plan,
    through: &Outcome,
    direct: &Outcome,
    cpu: Duration,
) {
    let requests = through.answers.max(1);
    table.add(
        &format!("{name}: CPU per request"),
        "µs",
        micros(cpu) / count(through.with_warm_up.max(1)),
    );
    table.add(&format!("{name}: failures"), "", count(through.failures));
    if plan.chunk_delay.is_zero() {
        table.add(
            &format!("{name}: requests"),
            "/s",
            count(requests) / plan.span.as_secs_f64(),
        );
        return;
    }
    let added =
        |percent: u32| micros(through.first_byte(percent)) - micros(direct.first_byte(percent));
    table.add(
        &format!("{name}: added to the first token, p50"),
        "µs",
        added(50),
    );
    table.add(
        &format!("{name}: added to the first token, p99"),
        "µs",
        added(99),
    );
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a bench are far below 2^52"
)]
fn count(number: u64) -> f64 {
    number as f64
}

fn bytes_as_mb(bytes: u64) -> f64 {
    count(bytes) / 1e6
}
