//! Properties of parsers and encoders: nothing panics, what is encoded parses, and parses to the same.
#![forbid(unsafe_code)]

use core::ffi::CStr;
use hook_tree::*;
use proptest::prelude::*;

fn encoded(encode: impl FnOnce(Sink) -> Result<(), TreeError>) -> Result<Vec<u8>, TreeError> {
    let mut bytes = Vec::new();
    encode(&mut |piece| bytes.extend_from_slice(piece))?;
    Ok(bytes)
}

/// Bytes that are likely to mean something to one of the parsers.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\0".to_vec()),
        Just(b"/bin/sh\0".to_vec()),
        Just(b"OCI_HOOK_TIMEOUT=".to_vec()),
        Just(b"rlimit=7:1:2\0".to_vec()),
        Just(b"groups=1,2\0".to_vec()),
        "(cwd|uid|gid|groups|umask|bounding|rlimit|terminal|x)=[0-9a-f:,/]{0,6}"
            .prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn string() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(1u8..=255, 0..12)
}

fn setting() -> impl Strategy<Value = OwnedSetting> {
    use OwnedSetting::*;
    prop_oneof![
        string().prop_map(|path| Cwd([b"/".to_vec(), path].concat())),
        (0..u32::MAX).prop_map(Uid),
        prop::collection::vec(any::<u32>(), 0..5).prop_map(Groups),
        (0..=0o777u32).prop_map(Umask),
        any::<u64>().prop_map(Ambient),
        (0..64u32, any::<u64>(), any::<u64>()).prop_map(|(resource, soft, hard)| Limit(Rlimit {
            resource,
            soft,
            hard
        })),
        prop::collection::vec(1u8..=255, 1..12).prop_map(Selinux),
        Just(Terminal),
        any::<u32>().prop_map(Preserve),
    ]
}

#[derive(Clone, Debug)]
enum OwnedSetting {
    Cwd(Vec<u8>),
    Uid(u32),
    Groups(Vec<u32>),
    Umask(u32),
    Ambient(u64),
    Limit(Rlimit),
    Selinux(Vec<u8>),
    Terminal,
    Preserve(u32),
}

impl OwnedSetting {
    fn encode(&self, sink: Sink) -> Result<(), TreeError> {
        match self {
            OwnedSetting::Cwd(path) => Setting::Cwd(path),
            OwnedSetting::Uid(id) => Setting::Uid(*id),
            OwnedSetting::Groups(ids) => Setting::Groups(Groups::from_list(ids)),
            OwnedSetting::Umask(mask) => Setting::Umask(*mask),
            OwnedSetting::Ambient(mask) => Setting::Ambient(*mask),
            OwnedSetting::Limit(limit) => Setting::Rlimit(*limit),
            OwnedSetting::Selinux(label) => Setting::Selinux(label),
            OwnedSetting::Terminal => Setting::Terminal,
            OwnedSetting::Preserve(count) => Setting::Preserve(*count),
        }
        .encode(sink)
    }

    fn is_in(&self, settings: &Settings) -> bool {
        match self {
            OwnedSetting::Cwd(path) => settings.cwd.map(CStr::to_bytes) == Some(path),
            OwnedSetting::Uid(id) => settings.uid == Some(*id),
            OwnedSetting::Groups(ids) => settings
                .groups
                .is_some_and(|groups| groups.iter().eq(ids.iter().copied())),
            OwnedSetting::Umask(mask) => settings.umask == Some(*mask),
            OwnedSetting::Ambient(mask) => settings.ambient == Some(*mask),
            OwnedSetting::Limit(limit) => settings.rlimits().any(|other| other == *limit),
            OwnedSetting::Selinux(label) => settings.selinux == Some(label),
            OwnedSetting::Terminal => settings.terminal,
            OwnedSetting::Preserve(count) => settings.preserve == Some(*count),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn parsers_take_anything(bytes in bytes()) {
        if let Ok(cmdline) = Cmdline::parse_hook(&bytes) {
            prop_assert!(cmdline.path().to_bytes().starts_with(b"/"));
            prop_assert_eq!(cmdline.path().to_bytes(), cmdline.path_bytes());
            prop_assert!(cmdline.argv().count() >= 1);
        }
        if let Ok(environ) = Environ::parse_hook(&bytes) {
            prop_assert!(environ.entries().all(|entry| entry.to_bytes().contains(&b'=')));
            prop_assert!(environ.timeout() != Some(0));
        }
        if let Ok(settings) = Settings::parse(&bytes) {
            prop_assert!(settings.cwd.is_none_or(|cwd| cwd.to_bytes().starts_with(b"/")));
            prop_assert!(settings.umask.is_none_or(|mask| mask <= 0o777));
            prop_assert!(settings.rlimits().all(|limit| limit.resource < 64));
        }
        prop_assert_eq!(Strings::check_path(&bytes).is_ok(), Strings::single(&bytes).is_ok_and(|path| path.to_bytes().starts_with(b"/")));
        let _ = hook_number(&bytes);
    }

    #[test]
    fn parsers_agree_about_the_strings(bytes in bytes()) {
        if let Ok(strings) = Strings::parse(&bytes) {
            let mut rest = strings;
            let lean: Vec<&[u8]> = std::iter::from_fn(|| rest.next_bytes()).collect();
            let full: Vec<&[u8]> = strings.map(CStr::to_bytes).collect();
            prop_assert_eq!(&lean, &full);
            let joined: Vec<u8> = full.iter().flat_map(|string| string.iter().copied().chain([0])).collect();
            prop_assert_eq!(joined, bytes);
        }
    }

    #[test]
    fn cmdline_comes_back(path in string(), argv in prop::collection::vec(string(), 0..6)) {
        match encoded(|sink| encode_cmdline(&path, &argv, sink)) {
            Ok(bytes) => {
                let cmdline = Cmdline::parse_program(&bytes).unwrap();
                prop_assert_eq!(cmdline.path().to_bytes(), &path);
                prop_assert!(cmdline.argv().map(CStr::to_bytes).eq(argv.iter().map(Vec::as_slice)));
            }
            Err(error) => prop_assert_eq!(error, if path.is_empty() { TreeError::NoPath } else { TreeError::EmptyArgv }),
        }
    }

    #[test]
    fn environ_comes_back(entries in prop::collection::vec("[A-C]{0,2}(=[^\u{0}]{0,4})?", 0..6), timeout in prop::option::of(1..=i64::MAX as u64)) {
        match encoded(|sink| encode_environ(&entries, timeout, sink)) {
            Ok(bytes) => {
                let environ = Environ::parse_hook(&bytes).unwrap();
                prop_assert_eq!(environ.timeout(), timeout);
                let rest = environ.entries().map(CStr::to_bytes).take(entries.len());
                prop_assert!(rest.eq(entries.iter().map(String::as_bytes)));
            }
            Err(error) => {
                prop_assert_eq!(error, TreeError::NoEquals);
                prop_assert!(entries.iter().any(|entry| !entry.contains('=')));
            }
        }
    }

    #[test]
    fn settings_come_back(settings in prop::collection::vec(setting(), 0..6)) {
        let bytes = encoded(|sink| settings.iter().try_for_each(|setting| setting.encode(&mut *sink))).unwrap();
        match Settings::parse(&bytes) {
            Ok(parsed) => prop_assert!(settings.iter().all(|setting| setting.is_in(&parsed)), "{parsed:?}"),
            Err(error) => {
                prop_assert_eq!(error, TreeError::SettingTwice);
                prop_assert!(settings.len() > 1);
            }
        }
    }

    #[test]
    fn json_is_what_serde_reads(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "\\PC*") {
        for bytes in [bytes, text.into_bytes()] {
            let mut json = Vec::new();
            json::string(&bytes, &mut |piece| json.extend_from_slice(piece));
            let read: String = serde_json::from_slice(&json).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes));
            prop_assert!(json.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f));
        }
    }

    #[test]
    fn failure_lines_are_one_harmless_line(path in prop::collection::vec(any::<u8>(), 0..20), stderr in prop::collection::vec(any::<u8>(), 0..2000), status in 1u8..) {
        let line = FailureLine {
            phase: Phase::CreateRuntime, index: 2, path: &path, end: End::Exited(status), duration_ns: 12_345_678, stderr: &stderr,
        };
        let mut bytes = Vec::new();
        line.encode(&mut |piece| bytes.extend_from_slice(piece));
        let text = String::from_utf8(bytes).unwrap();
        prop_assert!(!text.chars().any(char::is_control), "{text:?}");
        let middle = format!(": exit status {status} after 12 ms");
        prop_assert!(text.starts_with("createRuntime hook #2 (") && text.contains(&middle), "{text:?}");
        prop_assert!(text.len() < 5 * (20 + STDERR_IN_FAILURE) + 100);
    }
}
