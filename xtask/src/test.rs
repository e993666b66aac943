//! Every test: the workspace's own, then the official clients against the built program.

use std::process::Command;

use crate::setup;
use crate::shell::{self, Failure};

/// Sets up, runs every part that was not left out by name, and stops at the first failure.
pub(crate) fn test(arguments: &[String]) -> Result<(), Failure> {
    let plan = Plan::parse(arguments)?;
    setup::compiler()?;
    let python = match plan.clients {
        Part::Run => Some(setup::clients().map_err(|failure| failure.or(WITHOUT_CLIENTS))?),
        Part::LeftOut => None,
    };
    shell::run(shell::cargo(&["test", "--workspace", "--all-features"]).args(&plan.cargo))?;
    if let Some(python) = python {
        clients(Command::new(python))?;
    }
    println!("{}", plan.summary());
    Ok(())
}

/// The official Python and Node clients, against a server each suite starts from the debug binary.
fn clients(mut python: Command) -> Result<(), Failure> {
    shell::run(&mut shell::cargo(&[
        "build",
        "--package",
        "modelgate-cli",
        "--bin",
        "modelgate",
    ]))?;
    let program = shell::target()?.join("debug/modelgate");
    python
        .arg(CLIENT_SUITES)
        .args(["--python", "--node", "--binary"])
        .arg(program);
    shell::run(python.current_dir(shell::root()))
}

const WITHOUT_CLIENTS: &str = "leave the clients out with `cargo xtask test --no-clients`";
const CLIENT_SUITES: &str = "modelgate-cli/tests/clients/run.py";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Run,
    LeftOut,
}

/// Which parts somebody left out, and what goes to `cargo test`.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    clients: Part,
    services: Part,
    cargo: Vec<String>,
}

impl Plan {
    fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut plan = Self {
            clients: Part::Run,
            services: Part::Run,
            cargo: Vec::new(),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            match argument.as_str() {
                "--no-clients" => plan.clients = Part::LeftOut,
                "--no-services" => plan.services = Part::LeftOut,
                "--" => plan.cargo = rest.by_ref().cloned().collect(),
                other => {
                    return Err(Failure::usage(format!(
                        "`test` does not know `{other}`; arguments for cargo test come after `--`"
                    )));
                }
            }
        }
        Ok(plan)
    }

    fn summary(&self) -> String {
        let mut line = String::from("test: workspace tests passed");
        line.push_str(match self.clients {
            Part::Run => ", Python and Node clients passed",
            Part::LeftOut => ", Python and Node clients LEFT OUT (--no-clients)",
        });
        if self.services == Part::LeftOut {
            line.push_str(" (--no-services: no test needs one yet)");
        }
        if !self.cargo.is_empty() {
            line.push_str("; cargo test was narrowed by: ");
            line.push_str(&self.cargo.join(" "));
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Result<Plan, Failure> {
        Plan::parse(
            &typed
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn parts_are_left_out_only_by_name() {
        for (typed, clients, services, cargo) in [
            ("", Part::Run, Part::Run, ""),
            ("--no-clients", Part::LeftOut, Part::Run, ""),
            ("--no-services -- quota", Part::Run, Part::LeftOut, "quota"),
            (
                "-- --lib --no-clients -- --nocapture",
                Part::Run,
                Part::Run,
                "--lib --no-clients -- --nocapture",
            ),
        ] {
            let plan = parse(typed).expect("a plan");
            assert_eq!(
                (plan.clients, plan.services, plan.cargo.join(" ")),
                (clients, services, cargo.to_owned()),
                "{typed}"
            );
        }
    }

    #[test]
    fn an_unknown_flag_exits_2() {
        assert_eq!(
            parse("--no-client").map_err(|failure| failure.code()),
            Err(2)
        );
        assert_eq!(parse("quota").map_err(|failure| failure.code()), Err(2));
    }

    #[test]
    fn the_summary_says_what_was_left_out() {
        let summary = |typed| parse(typed).expect("a plan").summary();
        assert_eq!(
            summary(""),
            "test: workspace tests passed, Python and Node clients passed"
        );
        assert!(summary("--no-clients").contains("clients LEFT OUT"));
        assert!(summary("-- quota").ends_with("narrowed by: quota"));
    }
}
