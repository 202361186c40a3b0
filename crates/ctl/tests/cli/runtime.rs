//! `lxcri-ctl runtime`: what it prints and what it refuses; what it writes is tested in the library.

use std::fs;

use serde_json::Value;

use crate::{Done, run};

fn ctl(scene: &tempfile::TempDir, verb: &str, engine: &str, more: &[&str]) -> Done {
    let args = [
        "runtime",
        verb,
        "--engine",
        engine,
        "--config",
        "etc/config",
        "--state",
        "state",
    ];
    run(scene.path(), &[&args[..], more].concat())
}

#[test]
fn a_dry_run_prints_what_patch_understands_and_makes_nothing() {
    let scene = tempfile::tempdir().unwrap();
    fs::create_dir(scene.path().join("etc")).unwrap();
    let config = scene.path().join("etc/config");
    fs::write(&config, "{\n  \"debug\": true\n}\n").unwrap();
    let more = ["--path", "/bin/true", "--set-default", "--dry-run"];
    let diff = ctl(&scene, "configure", "docker", &more).success();
    assert_eq!(
        diff.replace(&*scene.path().to_string_lossy(), ""),
        "--- /etc/config\n+++ /etc/config\n@@ -1,3 +1,9 @@\n {\n-  \"debug\": true\n+  \"debug\": true,\n+  \"runtimes\": {\n+    \"lxcri-inject\": {\n+      \"path\": \"/bin/true\"\n+    }\n+  },\n+  \"default-runtime\": \"lxcri-inject\"\n }\n"
    );
    assert!(!scene.path().join("state").exists());
    assert_eq!(
        fs::read_to_string(&config).unwrap(),
        "{\n  \"debug\": true\n}\n"
    );
    fs::remove_file(&config).unwrap();
    let diff = ctl(
        &scene,
        "configure",
        "crio",
        &["--path", "/bin/true", "--dry-run"],
    )
    .success();
    assert!(diff.starts_with("--- /dev/null\n+++ "), "{diff}");
    assert!(!scene.path().join("etc/config.d").exists());
}

#[test]
fn what_was_done_is_said_once() {
    let scene = tempfile::tempdir().unwrap();
    let config = scene.path().join("etc/config");
    let configure = || ctl(&scene, "configure", "docker", &["--path", "/bin/true"]).success();
    assert_eq!(configure(), format!("made {}\n", config.display()));
    assert_eq!(configure(), "nothing to change\n");
    let unconfigure = || ctl(&scene, "unconfigure", "docker", &[]).success();
    assert_eq!(unconfigure(), format!("removed {}\n", config.display()));
    assert_eq!(unconfigure(), "nothing to change\n");
}

#[test]
fn status_tells_files_default_and_runtimes() {
    let scene = tempfile::tempdir().unwrap();
    let status = || ctl(&scene, "status", "docker", &[]).success();
    let config = scene.path().join("etc/config");
    let shown = config.display();
    assert_eq!(
        status(),
        format!("engine   docker\nfiles    none; {shown} is not there\ndefault  runc, built in\n")
    );
    ctl(
        &scene,
        "configure",
        "docker",
        &["--path", "/bin/true", "--set-default"],
    )
    .success();
    assert_eq!(
        status(),
        format!(
            "engine   docker\nfiles    {shown}\ndefault  lxcri-inject, says {shown}\n\
             runtime  lxcri-inject: /bin/true, says {shown}\nours     lxcri-inject: /bin/true, as default\n"
        )
    );
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("/bin/true", "/bin/false")).unwrap();
    let json = ctl(&scene, "status", "docker", &["--format", "json"]).success();
    let status: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(status["runtimes"]["lxcri-inject"]["value"], "/bin/false");
    assert_eq!(status["configured"][0]["path"], "/bin/true");
    let warning = "files have changed since they were configured: configure again";
    assert_eq!(status["warnings"][0], warning);
}

#[test]
fn bad_input_is_refused_before_anything_is_made() {
    let scene = tempfile::tempdir().unwrap();
    let here = scene.path().display();
    fs::write(scene.path().join("script"), "").unwrap();
    for (engine, more, error) in [
        ("docker", &["--path", "none"][..], format!("runtime {here}/none: no such file or directory (ENOENT)")),
        ("docker", &["--path", "script"], format!("runtime {here}/script: not an executable file")),
        ("docker", &["--path", "/bin"], "runtime /bin: not an executable file".into()),
        ("docker", &["--path", "/bin/true", "--name", "runc"], "runtime name \"runc\": engines have a runtime of that name".into()),
        (
            "crio",
            &["--path", "/bin/true", "--name", "a b"],
            "runtime name \"a b\": letters, digits, `_`, `.` and `-`, beginning with a letter or digit".into(),
        ),
        ("docker", &["--path", "/bin/true", "--drop-in", "x"], "docker has no drop-in files".into()),
        (
            "podman",
            &["--path", "/bin/true", "--restart", "systemd"],
            "podman has no daemon: it reads its configuration at every command".into(),
        ),
    ] {
        ctl(&scene, "configure", engine, more).refused(&error);
    }
    assert!(!scene.path().join("etc").exists() && !scene.path().join("state").exists());
}

#[test]
fn many_at_once_lose_nothing() {
    let scene = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..8).map(|n| format!("r{n}")).collect();
    let all = |verb: &str, more: &[&str]| {
        std::thread::scope(|scope| {
            for name in &names {
                let more = [&["--name", name.as_str()], more].concat();
                let scene = &scene;
                scope.spawn(move || ctl(scene, verb, "docker", &more).success());
            }
        });
    };
    all("configure", &["--path", "/bin/true"]);
    let text = fs::read_to_string(scene.path().join("etc/config")).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["runtimes"].as_object().unwrap().len(), 8);
    all("unconfigure", &[]);
    assert!(!scene.path().join("etc").exists());
}
