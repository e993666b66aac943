//! The real program with bad settings, and `config check` and `config show`.

use std::process::Command;

use crate::FILE;
use crate::bad::{BAD_FILES, BAD_VARIABLES};

/// The real program in an empty folder with only these variables: exit code, stdout, stderr.
fn run(
    arguments: &[&str],
    variables: &[(&str, &str)],
    yaml: Option<&str>,
) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_modelgate"));
    command
        .args(arguments)
        .current_dir(folder.path())
        .env_clear()
        .envs(variables.iter().copied());
    if let Some(yaml) = yaml {
        std::fs::write(folder.path().join(FILE), yaml).expect("a file");
        command.args(["--config", FILE]);
    }
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn r26_the_program_exits_2_with_one_line() {
    for (yaml, expected) in BAD_FILES.iter().step_by(6) {
        for command in ["serve", "config check"] {
            let arguments: Vec<&str> = command.split(' ').collect();
            let (code, out, err) = run(&arguments, &[], Some(yaml));
            assert_eq!((code, out.as_str()), (Some(2), ""), "{yaml}: {err}");
            assert_eq!(err, format!("modelgate: {expected}\n"));
        }
    }
    for (name, value, expected) in BAD_VARIABLES.iter().step_by(3) {
        let (code, out, err) = run(&["serve"], &[(name, value)], None);
        assert_eq!(
            (code, out.as_str(), err),
            (Some(2), "", format!("modelgate: {expected}\n"))
        );
    }
    let (code, _, err) = run(&["serve", "--config", "missing.yaml"], &[], None);
    assert_eq!(code, Some(2));
    assert!(
        err.starts_with("modelgate: cannot read the settings in missing.yaml: "),
        "{err}"
    );
}

#[test]
fn config_check_and_show_tell_what_is_in_force() {
    let (code, out, err) = run(&["config", "check"], &[], None);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, "the settings are good\n");
    let variables = [("MG_SERVER_PORT", "9"), ("MG_ADMIN_API_KEY", "canary")];
    let (code, out, _) = run(&["config", "show"], &variables, Some("timeout: 7s\n"));
    assert_eq!(code, Some(0));
    for line in [
        "server.port\t9\tMG_SERVER_PORT",
        "timeout\t7s\tgate.yaml",
        "admin.api_key\t********\tMG_ADMIN_API_KEY",
        "log.level\tinfo\tdefault",
    ] {
        assert!(out.lines().any(|shown| shown == line), "{line} in {out}");
    }
    let (_, json, _) = run(&["config", "show", "--json"], &variables, None);
    let shown: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(shown["server.port"]["value"], 9);
    assert!(!out.contains("canary") && !json.contains("canary"));
}
