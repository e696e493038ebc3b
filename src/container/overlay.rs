//! Mounting overlays of directories.

use nix::mount::{MsFlags, mount};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The longest options of mount(2), in bytes: a page less the final NUL.
const MOUNT_OPTIONS: usize = 4095;

/// An overlay that is not mounted yet. overlayfs needs two lower directories if it has no upper.
pub struct Overlay<'a> {
    lowers: &'a [&'a Path],
    upper: Option<(&'a Path, &'a Path)>,
    options: Vec<u8>,
}

impl<'a> Overlay<'a> {
    /// An overlay of these lower directories, top first. With `upper`, it is writable: changes go
    /// to the first of these directories, and the second one is overlayfs's own.
    pub fn new(lowers: &'a [&'a Path], upper: Option<(&'a Path, &'a Path)>) -> Self {
        // With `xino=on` or `xino=auto`, which may be the kernel's default, each mount adds a line
        // to the kernel's log. Without it the device numbers of files differ from those of
        // directories if the upper directory is on another file system than the layers.
        let mut options = b"userxattr,xino=off,lowerdir=".to_vec();
        for (index, lower) in lowers.iter().enumerate() {
            if index > 0 {
                options.push(b':');
            }
            escape(lower, &mut options);
        }
        if let Some((upper, work)) = upper {
            options.extend(b",upperdir=");
            escape(upper, &mut options);
            options.extend(b",workdir=");
            escape(work, &mut options);
        }
        Self {
            lowers,
            upper,
            options,
        }
    }

    /// Whether the options are too long for mount(2). Such overlays need Linux 6.5.
    pub fn is_long(&self) -> bool {
        self.options.len() > MOUNT_OPTIONS
    }

    /// Mounts the overlay. Its directories may be relative to the working directory.
    pub fn mount(&self, mount_point: &Path) -> io::Result<()> {
        if self.is_long() {
            return Ok(self.mount_long(mount_point)?);
        }
        mount(
            Some("root"),
            mount_point,
            Some("overlay"),
            MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            Some(self.options.as_slice()),
        )?;
        Ok(())
    }

    fn mount_long(&self, mount_point: &Path) -> rustix::io::Result<()> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        let context = context.as_fd();
        for lower in self.lowers {
            fsconfig_set_string(context, "lowerdir+", *lower)?;
        }
        fsconfig_set_flag(context, "userxattr")?;
        fsconfig_set_string(context, "xino", "off")?;
        if let Some((upper, work)) = self.upper {
            fsconfig_set_string(context, "upperdir", upper)?;
            fsconfig_set_string(context, "workdir", work)?;
        }
        fsconfig_create(context)?;
        let root = fsmount(
            context,
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
        )?;
        move_mount(
            root.as_fd(),
            "",
            rustix::fs::CWD,
            mount_point,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )
    }
}

/// Adds a path with escapes for the characters that have a meaning in the options of overlayfs.
fn escape(path: &Path, options: &mut Vec<u8>) {
    for byte in path.as_os_str().as_bytes() {
        if [b'\\', b',', b':'].contains(byte) {
            options.push(b'\\');
        }
        options.push(*byte);
    }
}
