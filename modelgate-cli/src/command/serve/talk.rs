//! What `serve` says on stdout: where it listens, and what to type next.

use std::io::Write;
use std::path::{Path, PathBuf};

use modelgate_domain::PlainKey;
use modelgate_ports::driving::console::ServerReport;

use super::demo::Ready;
use crate::compose::Assembled;
use crate::output::printable;
use crate::settings::Environment;

/// What commands must say to reach this server.
#[derive(Debug)]
pub(super) struct Guide {
    url: String,
    program: String,
}

/// The first line, from which scripts learn the address.
pub(super) fn listening(url: &str) {
    say(&format!(
        "ModelGate {} is listening on {url}",
        env!("CARGO_PKG_VERSION")
    ));
}

/// The generated admin key, once, and what to do with it; or the models there are.
pub(super) fn welcome(guide: &Guide, assembled: &Assembled) {
    if let Some(issued) = &assembled.admin_key {
        return say(&guide.first_steps(issued.secret.reveal()));
    }
    let models = assembled.app.console.models();
    let names: Vec<String> = models.iter().map(|model| model.name.to_string()).collect();
    if !names.is_empty() {
        say(&format!("Models: {}", few(&names)));
    }
}

/// What the servers offered at the first start.
pub(super) fn found(guide: &Guide, servers: &[ServerReport]) {
    let with_models = servers.iter().filter(|server| !server.added.is_empty());
    let line =
        |server: &ServerReport| format!("Found at {}: {}", server.base_url, few(&server.added));
    let lines: Vec<String> = with_models.map(line).collect();
    if lines.is_empty() {
        say(&guide.without_models());
    } else {
        say(&lines.join("\n"));
    }
}

/// How to see an answer within a minute.
pub(super) fn demo(guide: &Guide, ready: &Ready) {
    say(&guide.demo(ready));
}

impl Guide {
    pub(super) fn new(url: &str, environment: &Environment) -> Self {
        Self {
            url: url.to_owned(),
            program: program(environment),
        }
    }

    fn first_steps(&self, admin_key: &str) -> String {
        let (program, exports) = (&self.program, self.exports(admin_key));
        format!(
            "
A new database: its admin key stands in the next line, this once, and is stored nowhere. In another terminal:

  {exports}
  {program} model list
  {program} key create --name me
"
        )
    }

    fn without_models(&self) -> String {
        let program = &self.program;
        format!(
            "No models yet: none of the configured servers answered. When one runs: {program} sync
Or name one: {program} model create --name NAME --backend KIND --base-url URL"
        )
    }

    fn demo(&self, ready: &Ready) -> String {
        let (url, key, model, program) =
            (&self.url, ready.key.reveal(), ready.model, &self.program);
        let behind = |key: &PlainKey| {
            format!(
                "\nBehind the counter:\n\n  {}\n  {program} key list\n",
                self.exports(key.reveal())
            )
        };
        let admin = ready.admin.as_ref().map_or_else(String::new, behind);
        format!(
            "
A demonstration: the model `{model}` says what you said, and all is forgotten at the end (Ctrl-C).
In another terminal:

  curl --no-buffer {url}/v1/chat/completions \\
    -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \\
    -d '{{\"model\": \"{model}\", \"stream\": true, \"messages\": [{{\"role\": \"user\", \"content\": \"Hello there\"}}]}}'

Or in Python, after `pip install openai`:

from openai import OpenAI
client = OpenAI(base_url=\"{url}/v1\", api_key=\"{key}\")
messages = [{{\"role\": \"user\", \"content\": \"Hello there\"}}]
stream = client.chat.completions.create(model=\"{model}\", messages=messages, stream=True)
for chunk in stream:
    print(chunk.choices[0].delta.content or \"\", end=\"\", flush=True)
print()
{admin}"
        )
    }

    /// The variables that commands need; the default address goes without saying.
    fn exports(&self, admin_key: &str) -> String {
        if self.url == "http://127.0.0.1:8080" {
            format!("export MODELGATE_API_KEY={admin_key}")
        } else {
            format!(
                "export MODELGATE_SERVER={} MODELGATE_API_KEY={admin_key}",
                self.url
            )
        }
    }
}

/// How a shell finds this program: by name when the search path leads to it, else by its whole path.
fn program(environment: &Environment) -> String {
    let Ok(own) = std::env::current_exe() else {
        return "modelgate".to_owned();
    };
    let Some(name) = own.file_name() else {
        return "modelgate".to_owned();
    };
    let folders = environment
        .get("PATH")
        .map(std::env::split_paths)
        .into_iter()
        .flatten();
    let first = folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    match first.and_then(|file| real(&file)) {
        Some(found) if Some(&found) == real(&own).as_ref() => name.to_string_lossy().into_owned(),
        _ => quoted(&own),
    }
}

fn real(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
    if is_plain {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

fn few(names: &[String]) -> String {
    const FEW: usize = 8;
    let shown: Vec<String> = names.iter().take(FEW).map(|name| printable(name)).collect();
    let shown = shown.join(", ");
    if names.len() > FEW {
        format!("{shown} and {} more", names.len() - FEW)
    } else {
        shown
    }
}

/// A closed stdout is no reason to stop serving.
fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _closed = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guide(url: &str) -> Guide {
        Guide {
            url: url.to_owned(),
            program: "modelgate".to_owned(),
        }
    }

    #[test]
    fn the_first_steps_name_the_server_only_when_they_must() {
        assert_eq!(
            guide("http://127.0.0.1:8080").exports("mg-x"),
            "export MODELGATE_API_KEY=mg-x"
        );
        let elsewhere = guide("http://127.0.0.1:9").exports("mg-x");
        assert_eq!(
            elsewhere,
            "export MODELGATE_SERVER=http://127.0.0.1:9 MODELGATE_API_KEY=mg-x"
        );
    }

    #[test]
    fn a_program_off_the_path_is_named_in_full() {
        let own = std::env::current_exe().unwrap();
        let folder = own.parent().unwrap().display().to_string();
        let name = own.file_name().unwrap().to_str().unwrap();
        assert_eq!(
            program(&Environment::of([("PATH", "/nowhere")])),
            quoted(&own)
        );
        assert_eq!(program(&Environment::of([("PATH", folder.as_str())])), name);
        assert_eq!(
            quoted(Path::new("/it's here/modelgate")),
            r"'/it'\''s here/modelgate'"
        );
    }

    #[test]
    fn many_models_are_not_all_listed() {
        let names: Vec<String> = (0..10).map(|number| format!("m{number}")).collect();
        assert_eq!(few(&names), "m0, m1, m2, m3, m4, m5, m6, m7 and 2 more");
        assert_eq!(few(&names[..2]), "m0, m1");
    }
}
