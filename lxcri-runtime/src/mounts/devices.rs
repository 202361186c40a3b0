//! Which device nodes and links a container's /dev gets.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};

use super::error::Error;
use super::facts::IdMaps;
use super::rules::clean;
use super::steps::{Device, DeviceKind, Step};

/// runtime-spec, config-linux.md, "Default Devices": name, major, minor. All are character devices.
pub(crate) const DEFAULT_DEVICES: &[(&str, u64, u64)] = &[
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

/// runtime-spec, runtime-linux.md, "Dev symbolic links".
const LINKS: &[(&str, &str)] = &[
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];

const DEFAULT_MODE: u32 = 0o666;

/// The highest device number the kernel's dev_t holds: 12 bits of major, 20 of minor.
const MAX_MAJOR: u64 = 0xfff;
const MAX_MINOR: u64 = 0xf_ffff;

/// All steps that fill /dev. What config.json says of a path replaces the default device, or what it has said before: the
/// same device, if the bundle was checked, with another mode or owner.
pub(super) fn steps(
    requested: &[LinuxDevice],
    user_ns: Option<&IdMaps>,
) -> Result<Vec<Step>, Error> {
    let mut devices: Vec<Device> = Vec::new();
    let owner = Owner { maps: user_ns };
    for (at, device) in requested.iter().enumerate() {
        let device = from_spec(&format!("/linux/devices/{at}"), device, &owner)?;
        devices.retain(|known| known.path != device.path);
        devices.push(device);
    }
    let mut steps = Vec::new();
    for &(path, major, minor) in DEFAULT_DEVICES {
        if devices.iter().any(|device| device.path == Path::new(path)) {
            continue;
        }
        steps.push(Step::Device(Device {
            pointer: None,
            path: PathBuf::from(path),
            kind: DeviceKind::Char,
            major,
            minor,
            mode: DEFAULT_MODE,
            uid: owner.uid("", 0)?,
            gid: owner.gid("", 0)?,
            bind: user_ns.is_some(),
        }));
    }
    steps.extend(devices.into_iter().map(Step::Device));
    steps.push(Step::Symlink {
        path: PathBuf::from("/dev/ptmx"),
        target: "pts/ptmx".to_owned(),
        replace: true,
    });
    steps.extend(LINKS.iter().map(|(path, target)| Step::Symlink {
        path: PathBuf::from(path),
        target: (*target).to_owned(),
        replace: false,
    }));
    Ok(steps)
}

/// Turns ids of the container into ids of the host.
struct Owner<'a> {
    maps: Option<&'a IdMaps>,
}

impl Owner<'_> {
    fn uid(&self, pointer: &str, id: u32) -> Result<u32, Error> {
        self.translate(pointer, "uid", id, IdMaps::host_uid)
    }

    fn gid(&self, pointer: &str, id: u32) -> Result<u32, Error> {
        self.translate(pointer, "gid", id, IdMaps::host_gid)
    }

    fn translate(
        &self,
        pointer: &str,
        what: &str,
        id: u32,
        lookup: fn(&IdMaps, u32) -> Option<u32>,
    ) -> Result<u32, Error> {
        let Some(maps) = self.maps else { return Ok(id) };
        lookup(maps, id).ok_or_else(|| {
            let pointer = if pointer.is_empty() {
                format!("/linux/{what}Mappings")
            } else {
                format!("{pointer}/{what}")
            };
            Error::refused(
                pointer,
                format!("{what} {id} has no mapping in the container's user namespace"),
            )
        })
    }
}

fn from_spec(pointer: &str, device: &LinuxDevice, owner: &Owner<'_>) -> Result<Device, Error> {
    let kind = match device.typ() {
        LinuxDeviceType::C | LinuxDeviceType::U => DeviceKind::Char,
        LinuxDeviceType::B => DeviceKind::Block,
        LinuxDeviceType::P => DeviceKind::Fifo,
        other => {
            return Err(Error::refused(
                format!("{pointer}/type"),
                format!("device type {:?} is not supported", other.as_str()),
            ));
        }
    };
    if !device.path().is_absolute() {
        return Err(Error::refused(
            format!("{pointer}/path"),
            format!("device path {:?} is not absolute", device.path()),
        ));
    }
    let path = clean(device.path());
    if path == Path::new("/") {
        return Err(Error::refused(
            format!("{pointer}/path"),
            "the root is no place for a device",
        ));
    }
    let number = |name: &str, value: i64, max: u64| -> Result<u64, Error> {
        match u64::try_from(value) {
            _ if kind == DeviceKind::Fifo => Ok(0),
            Ok(value) if value <= max => Ok(value),
            _ => Err(Error::refused(
                format!("{pointer}/{name}"),
                format!("device number {value} is not between 0 and {max}"),
            )),
        }
    };
    let (major, minor) = (
        number("major", device.major(), MAX_MAJOR)?,
        number("minor", device.minor(), MAX_MINOR)?,
    );
    Ok(Device {
        pointer: Some(pointer.to_owned()),
        path,
        kind,
        major,
        minor,
        // The type bits that podman puts in are told by `type`.
        mode: device
            .file_mode()
            .map_or(DEFAULT_MODE, |mode| mode & 0o7777),
        uid: owner.uid(pointer, device.uid().unwrap_or(0))?,
        gid: owner.gid(pointer, device.gid().unwrap_or(0))?,
        bind: owner.maps.is_some() && kind != DeviceKind::Fifo,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mounts::IdMap;

    fn device(json: &str) -> LinuxDevice {
        serde_json::from_str(json).unwrap()
    }

    fn only(steps: Vec<Step>, path: &str) -> Device {
        let mut found = steps.into_iter().filter_map(|step| match step {
            Step::Device(device) if device.path == Path::new(path) => Some(device),
            _ => None,
        });
        let first = found.next().unwrap();
        assert!(found.next().is_none());
        first
    }

    #[test]
    fn a_requested_device_overrides_the_default_of_its_path() {
        let requested = device(
            r#"{"path":"/dev/../dev/tty","type":"c","major":5,"minor":0,"fileMode":8630,"gid":5}"#,
        );
        let tty = only(steps(&[requested], None).unwrap(), "/dev/tty");
        assert_eq!((tty.mode, tty.gid, tty.bind), (0o666, 5, false));
        assert_eq!(tty.pointer.as_deref(), Some("/linux/devices/0"));
    }

    #[test]
    fn a_user_namespace_gets_bind_mounts_and_mapped_fifos() {
        let maps = IdMaps {
            uids: vec![IdMap {
                container: 0,
                host: 1000,
                size: 1,
            }],
            gids: vec![IdMap {
                container: 0,
                host: 2000,
                size: 1,
            }],
        };
        let fifo = device(r#"{"path":"/dev/f","type":"p","major":-1}"#);
        let all = steps(&[fifo], Some(&maps)).unwrap();
        assert!(only(all.clone(), "/dev/null").bind);
        let fifo = only(all, "/dev/f");
        assert_eq!(
            (fifo.uid, fifo.gid, fifo.bind, fifo.major),
            (1000, 2000, false, 0)
        );
        let foreign = device(r#"{"path":"/dev/x","type":"c","major":1,"minor":3,"uid":7}"#);
        assert_eq!(
            steps(&[foreign], Some(&maps)).unwrap_err().to_string(),
            "/linux/devices/0/uid: uid 7 has no mapping in the container's user namespace"
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for (json, message) in [
            (
                r#"{"path":"dev/x","type":"c"}"#,
                "/linux/devices/0/path: device path \"dev/x\" is not absolute",
            ),
            (
                r#"{"path":"/","type":"c"}"#,
                "/linux/devices/0/path: the root is no place for a device",
            ),
            (
                r#"{"path":"/dev/x","type":"c","major":-1}"#,
                "/linux/devices/0/major: device number -1 is not between 0 and 4095",
            ),
            (
                r#"{"path":"/dev/x","type":"a"}"#,
                "/linux/devices/0/type: device type \"a\" is not supported",
            ),
        ] {
            assert_eq!(
                steps(&[device(json)], None).unwrap_err().to_string(),
                message
            );
        }
    }
}
