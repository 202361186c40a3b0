//! What is written, what comes back, what is refused.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use engine_config::{Engine, Plan, Runtime, Target};

use crate::host::Host;

const ENGINES: [Engine; 4] = [
    Engine::Docker,
    Engine::Containerd,
    Engine::Crio,
    Engine::Podman,
];

#[test]
fn files_that_did_not_exist_do_not_exist_again() {
    for engine in ENGINES {
        let host = Host::new(engine);
        fs::remove_dir(host.directory.path().join("etc")).unwrap();
        assert!(
            host.configure("inject", true).unwrap().is_empty(),
            "{engine}"
        );
        host.unconfigure("inject").unwrap();
        assert!(!host.directory.path().join("etc").exists(), "{engine}");
        assert!(host.left_over().is_empty(), "{engine}");
    }
}

#[test]
fn unconfigure_on_a_missing_file_changes_nothing() {
    for engine in ENGINES {
        let host = Host::new(engine);
        host.unconfigure("inject").unwrap();
        assert!(host.tree().is_empty(), "{engine}");
    }
}

#[test]
fn twice_is_once() {
    for engine in ENGINES {
        let host = Host::new(engine);
        host.configure("inject", true).unwrap();
        let once = host.tree();
        host.configure("inject", false).unwrap();
        assert_eq!(host.tree(), once, "{engine}");
    }
}

#[test]
fn runtimes_come_and_go_in_any_order_and_defaults_come_back() {
    let text =
        "{\"default-runtime\": \"crun\", \"runtimes\": {\"crun\": {\"path\": \"/usr/bin/crun\"}}}";
    let host = Host::with(Engine::Docker, text);
    let default = || {
        let text = fs::read_to_string(host.config()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["default-runtime"].as_str().unwrap().to_owned()
    };
    host.configure("a", true).unwrap();
    host.configure("b", true).unwrap();
    assert_eq!(default(), "b");
    host.unconfigure("a").unwrap();
    assert_eq!(default(), "b");
    host.configure("c", true).unwrap();
    host.unconfigure("c").unwrap();
    assert_eq!(default(), "b");
    host.unconfigure("b").unwrap();
    assert_eq!(fs::read_to_string(host.config()).unwrap(), text);
}

#[test]
fn a_file_that_others_have_changed_keeps_their_change() {
    let host = Host::with(Engine::Docker, "{\"default-runtime\": \"crun\"}\n");
    host.configure("inject", true).unwrap();
    let text = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), text.replacen('{', "{\"debug\": true,", 1)).unwrap();
    host.unconfigure("inject").unwrap();
    let text = fs::read_to_string(host.config()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value,
        serde_json::json!({"debug": true, "default-runtime": "crun"})
    );
    assert!(host.left_over().is_empty());

    let host = Host::with(Engine::Containerd, "# mine\nversion = 2\n");
    host.configure("inject", true).unwrap();
    let text = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), format!("{text}oom_score = 1\n")).unwrap();
    host.unconfigure("inject").unwrap();
    assert_eq!(
        fs::read_to_string(host.config()).unwrap(),
        "# mine\nversion = 2\noom_score = 1\n"
    );
}

/// As after SIGKILL before the drop-in got its name.
#[test]
fn a_temporary_file_of_a_killed_process_does_not_keep_its_directory() {
    for engine in ENGINES {
        let host = Host::new(engine);
        let before = host.tree();
        host.configure("inject", true).unwrap();
        let Some(drop_in) = host.target().unwrap().drop_in else {
            continue;
        };
        fs::rename(&drop_in, drop_in.with_file_name(".lxcri-ctl-abcdef")).unwrap();
        host.unconfigure("inject").unwrap();
        assert_eq!(host.tree(), before, "{engine}");
    }
}

#[test]
fn without_the_record_our_part_is_still_taken_out() {
    for engine in ENGINES {
        let host = Host::new(engine);
        host.configure("inject", true).unwrap();
        fs::remove_dir_all(host.directory.path().join("state")).unwrap();
        host.unconfigure("inject").unwrap();
        let rest = host.tree();
        let text: String = rest
            .values()
            .flatten()
            .map(|(text, _)| text.as_str())
            .collect();
        assert!(!text.contains("inject"), "{engine}: {text}");
    }
}

#[test]
fn without_the_record_or_the_backup_configuring_again_can_be_undone() {
    for engine in ENGINES {
        let host = Host::new(engine);
        host.configure("inject", true).unwrap();
        fs::remove_dir_all(host.directory.path().join("state")).unwrap();
        host.configure("other", true).unwrap();
        host.unconfigure("other").unwrap();
        host.unconfigure("inject").unwrap();
        let text: String = host
            .tree()
            .into_values()
            .flatten()
            .map(|(text, _)| text)
            .collect();
        for ours in ["inject", "other", "99-lxcri"] {
            assert!(!text.contains(ours), "{engine}: {text}");
        }
    }
    let host = Host::with(Engine::Docker, "{\"debug\": true}");
    host.configure("inject", true).unwrap();
    for entry in fs::read_dir(host.left_over().remove(0)).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("record.json") {
            fs::remove_file(path).unwrap();
        }
    }
    host.unconfigure("inject").unwrap();
    let text = fs::read_to_string(host.config()).unwrap();
    assert_eq!(
        text.split_whitespace().collect::<String>(),
        "{\"debug\":true}"
    );
}

#[test]
fn our_runtime_that_was_there_before_the_record_is_taken_over_and_forgotten_too() {
    let link = tempfile::tempdir().unwrap();
    let link = link.path().join("link");
    symlink("/bin/true", &link).unwrap();
    let path = link.to_str().unwrap();
    let text = format!(
        "{{\"runtimes\": {{\"inject\": {{\"path\": \"{path}\", \"runtimeArgs\": [\"-x\"]}}}}}}"
    );
    let host = Host::with(Engine::Docker, &text);
    host.configure("inject", false).unwrap();
    let after = fs::read_to_string(host.config()).unwrap();
    assert_eq!(after, text.replace(path, "/bin/true"));
    // The record explains it now, wherever the program moves.
    let (store, target) = (host.store(), host.target().unwrap());
    let moved = Runtime::new("inject", Path::new("/bin/false"), false).unwrap();
    Plan::configure(&store, &target, &moved).unwrap();
    host.unconfigure("inject").unwrap();
    assert_eq!(fs::read_to_string(host.config()).unwrap(), "{}");
}

#[test]
fn a_drop_in_of_somebody_else_is_not_touched_and_a_changed_one_is_kept() {
    let host = Host::new(Engine::Crio);
    let target = host.target().unwrap();
    let path = target.drop_in.unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "[crio]\n").unwrap();
    let error = host.configure("inject", false).unwrap_err().to_string();
    assert!(
        error.ends_with("exists, and lxcri-ctl has not written it"),
        "{error}"
    );
    fs::remove_file(&path).unwrap();

    host.configure("inject", false).unwrap();
    let text = fs::read_to_string(&path).unwrap() + "# by hand\n";
    fs::write(&path, &text).unwrap();
    let warnings = host.configure("inject", false).unwrap();
    let kept = warnings[0].rsplit(' ').next().unwrap();
    assert_eq!(fs::read_to_string(kept).unwrap(), text);
    host.unconfigure("inject").unwrap();
    assert_eq!(
        fs::read_to_string(kept).unwrap(),
        text,
        "it is nobody's to remove"
    );
}

#[test]
fn mode_and_owner_are_kept_and_secrets_are_not_copied_into_a_readable_file() {
    let host = Host::with(
        Engine::Containerd,
        "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry.configs.x.auth]\npassword = \"p\"\n",
    );
    fs::set_permissions(host.config(), fs::Permissions::from_mode(0o600)).unwrap();
    host.configure("inject", false).unwrap();
    assert!(host.drop_in().contains("password"));
    for (path, file) in host.tree() {
        if let Some((_, mode)) = file {
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }
    let state = host.directory.path().join("state");
    assert_eq!(state.metadata().unwrap().mode() & 0o777, 0o700);
}

#[test]
fn a_symlink_stays_and_its_file_is_changed() {
    let host = Host::new(Engine::Docker);
    let real = host.directory.path().join("real.json");
    fs::write(&real, "{}").unwrap();
    symlink(&real, host.config()).unwrap();
    host.configure("inject", false).unwrap();
    assert!(host.config().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("inject"));
    host.unconfigure("inject").unwrap();
    assert_eq!(fs::read_to_string(&real).unwrap(), "{}");

    fs::set_permissions(host.directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = host.configure("inject", false).unwrap_err().to_string();
    assert!(
        error.contains("a symlink, and others than root may write to"),
        "{error}"
    );
    fs::remove_file(&real).unwrap();
    let error = host.configure("inject", false).unwrap_err().to_string();
    assert!(
        error.contains("a symlink that cannot be followed"),
        "{error}"
    );
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_others_as_they_were() {
    let host = Host::with(Engine::Containerd, "version = 2\n");
    let before = host.tree();
    let (store, target) = (host.store(), host.target().unwrap());
    let lock = store.lock().unwrap();
    let runtime = Runtime::new("inject", Path::new("/bin/true"), true).unwrap();
    let mut plan = Plan::configure(&store, &target, &runtime).unwrap();
    // A directory in the way of the second file, made after the plan and not seen by its check.
    let last = plan.changes.last_mut().unwrap();
    assert_eq!(last.path, host.config());
    last.path = host.directory.path().join("etc/missing\0");
    last.before = None;
    assert!(plan.apply(&lock).is_err());
    assert_eq!(host.tree(), before);
    assert!(host.left_over().is_empty());
}

#[test]
fn a_file_that_changes_under_the_plan_is_not_overwritten() {
    let host = Host::with(Engine::Docker, "{}");
    let (store, target) = (host.store(), host.target().unwrap());
    let lock = store.lock().unwrap();
    let runtime = Runtime::new("inject", Path::new("/bin/true"), true).unwrap();
    let plan = Plan::configure(&store, &target, &runtime).unwrap();
    fs::write(host.config(), "{\"debug\": true}").unwrap();
    let error = plan.apply(&lock).unwrap_err().to_string();
    assert!(
        error.ends_with("somebody has just changed it; try again"),
        "{error}"
    );
    assert_eq!(
        fs::read_to_string(host.config()).unwrap(),
        "{\"debug\": true}"
    );
}

#[test]
fn another_drop_in_than_before_is_refused_and_the_one_from_before_is_remembered() {
    let host = Host::new(Engine::Podman);
    let store = host.store();
    let first = host
        .directory
        .path()
        .join("etc/containers.conf.d/10-a.conf");
    let other = host
        .directory
        .path()
        .join("etc/containers.conf.d/10-b.conf");
    let open = |path| Target::new(&store, Engine::Podman, Some(&host.config()), path);
    let target = open(Some(&first)).unwrap();
    let runtime = Runtime::new("inject", Path::new("/bin/true"), true).unwrap();
    let plan = Plan::configure(&store, &target, &runtime).unwrap();
    plan.apply(&store.lock().unwrap()).unwrap();
    assert!(open(Some(&other)).is_err());
    assert_eq!(open(None).unwrap().drop_in.unwrap(), first);
    host.unconfigure("inject").unwrap();
    assert!(host.tree().is_empty());
    assert!(Target::new(&store, Engine::Docker, None, Some(&first)).is_err());
}

#[test]
fn the_backup_is_the_file_as_it_was() {
    let text = "{ \"debug\" : true }";
    let host = Host::with(Engine::Docker, text);
    host.configure("inject", true).unwrap();
    host.configure("inject", true).unwrap();
    let place = host.left_over().remove(0);
    let entries = fs::read_dir(place).unwrap().map(|e| e.unwrap().path());
    let backups: Vec<_> = entries.filter(|p| !p.ends_with("record.json")).collect();
    assert_eq!(backups.len(), 1);
    assert_eq!(fs::read_to_string(&backups[0]).unwrap(), text);
}

#[test]
fn one_command_waits_for_another() {
    let host = Host::new(Engine::Docker);
    let store = host.store();
    let lock = store.lock().unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| host.configure("inject", false));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(host.tree().is_empty(), "it does not wait");
        drop(lock);
        waiting.join().unwrap().unwrap();
    });
    assert!(host.config().exists());
}
