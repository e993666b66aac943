"""Runs the official OpenAI clients against a gateway and its scripted upstreams.

`run.py --binary PATH [--python] [--node]`: both suites unless one is named. The last line is `N passed, N failed`.
"""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from gateway import Gateway
from upstreams import Upstreams

HERE = Path(__file__).resolve().parent
SUITE_LIMIT = 900  # seconds


def main():
    """Runs what was asked for and tells the sum."""
    asked = parse_args()
    suites = [name for name in ("python", "node") if getattr(asked, name)] or ["python", "node"]
    if missing := [line for line in map(missing_for, suites) if line]:
        sys.exit("\n".join(missing))
    if not os.access(asked.binary, os.X_OK):
        sys.exit(f"there is no program at {asked.binary}: cargo build --package modelgate-cli")
    upstreams = Upstreams()
    with tempfile.TemporaryDirectory(prefix="modelgate-clients-") as folder:
        gateway = Gateway(asked.binary, Path(folder))
        try:
            results = run_suites(suites, gateway, upstreams, Path(folder), asked.match)
        finally:
            gateway.stop()
        results["gateway"] = afterwards(gateway, upstreams)
    passed, failed = (sum(counts) for counts in zip(*results.values(), strict=True))
    for name, (good, bad) in results.items():
        print(f"{name}: {good} passed, {bad} failed")
    if failed:
        print(f"\nthe gateway's last words:\n{gateway.tail()}\n")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


def parse_args():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, type=Path, help="the modelgate program")
    parser.add_argument("--python", action="store_true", help="only this suite, unless --node is given too")
    parser.add_argument("--node", action="store_true", help="only this suite, unless --python is given too")
    parser.add_argument("--match", default="", help="only tests whose name contains this text")
    return parser.parse_args()


def missing_for(suite):
    """One line that says what to run when a suite's client is not installed."""
    if suite == "python" and not all(importlib.util.find_spec(name) for name in ("openai", "pytest")):
        return f"the Python suite needs its client: {sys.executable} -m pip install -r {HERE / 'python/requirements.txt'}"
    if suite == "node" and not shutil.which("node"):
        return "the Node suite needs node 20 or later on the PATH"
    if suite == "node" and not (HERE / "node/node_modules/openai").is_dir():
        return f"the Node suite needs its client: npm ci --ignore-scripts --prefix {HERE / 'node'}"
    return ""


def run_suites(suites, gateway, upstreams, folder, match):
    """Passed and failed tests by suite. Each suite has keys of its own, so that their limits do not meet."""
    gateway.create_models(upstreams)
    results = {}
    for suite in suites:
        fixture = folder / f"{suite}.json"
        fixture.write_text(json.dumps({
            "base_url": gateway.url, "control": upstreams.control.url,
            "admin_key": gateway.admin_key, "keys": gateway.create_keys(suite),
        }))
        report = folder / f"{suite}.xml"
        print(f"--- {suite}", flush=True)
        code = subprocess.run(
            COMMANDS[suite](report, match), cwd=HERE / suite, env=environment(fixture), timeout=SUITE_LIMIT, check=False
        ).returncode
        results[suite] = counted(report, code, match)
    return results


def pytest_command(report, match):
    """How the Python suite is run."""
    command = [sys.executable, "-m", "pytest", f"--junitxml={report}"]
    return [*command, "-k", match] if match else command


def node_command(report, match):
    """How the Node suite is run: with the reporter for people and the one for us."""
    reporters = ["--test-reporter=spec", "--test-reporter-destination=stdout"]
    reporters += ["--test-reporter=junit", f"--test-reporter-destination={report}"]
    chosen = [f"--test-name-pattern={match}"] if match else []
    files = sorted(path.name for path in (HERE / "node").glob("*.test.mjs"))
    return ["node", "--test", *reporters, *chosen, *files]


COMMANDS = {"python": pytest_command, "node": node_command}


def environment(fixture):
    """This environment without proxies and without settings of the clients."""
    kept = {
        name: value for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith(("OPENAI_", "MG_", "PYTEST_", "NODE_"))
    }
    return {**kept, "MODELGATE_CLIENTS_FIXTURE": str(fixture), "PYTHONDONTWRITEBYTECODE": "1"}


def counted(report, code, match):
    """Passed and failed tests of a report. A missing report and an unexplained exit code are failures, and so is a
    skipped test, unless it was skipped because another name was asked for."""
    if not report.exists():
        return 0, 1
    cases = list(ElementTree.parse(report).iter("testcase"))
    if match:
        cases = [case for case in cases if case.find("skipped") is None]
    bad = sum(any(case.find(kind) is not None for kind in ("failure", "error", "skipped")) for case in cases)
    return len(cases) - bad, bad or int(code != 0 or not cases)


def afterwards(gateway, upstreams):
    """Passed and failed checks of what the suites left behind."""
    leaks = upstreams.journal.leaks([gateway.admin_key, *gateway.issued])
    hidden = [gateway.admin_key, *gateway.issued, "canary-", *filter(None, map(upstreams.key, upstreams.servers))]
    told = [word for word in hidden if word in gateway.log()]
    checks = {
        "the gateway stopped cleanly": gateway.exit_code == 0,
        f"no client key reached an upstream {leaks or ''}": not leaks,
        f"no key and no prompt is in the gateway's log {[word[:8] for word in told] or ''}": not told,
    }
    print("--- gateway")
    for text, good in checks.items():
        print(f"{'ok' if good else 'FAILED'}: {text.strip()}")
    return sum(checks.values()), len(checks) - sum(checks.values())


if __name__ == "__main__":
    main()
