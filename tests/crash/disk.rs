//! A small ext4 of our own on a loop device, whose power can be cut.

use super::is_missing;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// `EXT4_IOC_SHUTDOWN` with `NOLOGFLUSH`: from now on nothing reaches the disk, neither data nor
/// the file system's journal. perl, which every Debian has, spares us unsafe code.
const CUT: &str = r#"
    open(my $dir, "<", $ARGV[0]) or die "open: $!";
    my $flags = pack("I", 2);
    ioctl($dir, 0x8004587D, $flags) or die "ioctl: $!";
"#;
/// How long a file system may stay busy after its last process was killed.
const UNMOUNT_PATIENCE: Duration = Duration::from_secs(10);

/// A mounted file system in a file.
pub(crate) struct Disk {
    image: PathBuf,
    mount: PathBuf,
    // Deleted last.
    _dir: tempfile::TempDir,
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {arguments:?}: {said}"))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are plain")
}

impl Disk {
    /// Makes and mounts a file system of this size; `None`, said aloud, where that is impossible.
    pub(crate) fn new(mebibytes: u64) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (image, mount) = (dir.path().join("image"), dir.path().join("mount"));
        std::fs::create_dir(&mount).expect("a directory in it");
        let file = std::fs::File::create(&image).expect("a file in it");
        file.set_len(mebibytes << 20).expect("a sparse file");
        let made = run("mkfs.ext4", &["-q", "-F", text(&image)]);
        let disk = Self {
            image,
            mount,
            _dir: dir,
        };
        let made = made.and_then(|()| disk.try_mount());
        if let Err(why) = &made {
            eprintln!("{why}");
        }
        (!is_missing("root with ext4 and loop devices", made.is_ok())).then_some(disk)
    }

    fn try_mount(&self) -> Result<(), String> {
        let (image, mount) = (text(&self.image), text(&self.mount));
        run("mount", &["-o", "loop", "-t", "ext4", image, mount])
    }

    fn unmount(&self) -> Result<(), String> {
        let deadline = Instant::now() + UNMOUNT_PATIENCE;
        loop {
            match run("umount", &[text(&self.mount)]) {
                Err(why) if why.contains("busy") && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                other => return other,
            }
        }
    }

    /// Where the store may live.
    pub(crate) fn path(&self) -> &Path {
        &self.mount
    }

    /// Cuts the power: what was not synced is gone.
    pub(crate) fn cut_power(&self) {
        run("perl", &["-e", CUT, text(&self.mount)]).expect("the file system shuts down");
    }

    /// Nothing is written for so long: a write waits.
    pub(crate) fn hang(&self, time: Duration) {
        let _frozen = Frozen::new(&self.mount);
        std::thread::sleep(time);
    }

    /// Bytes that are used of it.
    pub(crate) fn used(&self) -> u64 {
        let stat = rustix::fs::statvfs(&self.mount).expect("it is mounted");
        (stat.f_blocks - stat.f_bfree) * stat.f_frsize
    }

    /// Turns the machine on again. Whatever used the file system must have ended.
    pub(crate) fn restart(&self) {
        self.unmount().expect("nobody uses it any more");
        self.try_mount().expect("ext4 recovers from its journal");
    }
}

/// A file system that takes no writes, until this is dropped.
struct Frozen<'a>(&'a Path);

impl<'a> Frozen<'a> {
    fn new(mount: &'a Path) -> Self {
        run("fsfreeze", &["--freeze", text(mount)]).expect("the file system freezes");
        Self(mount)
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        run("fsfreeze", &["--unfreeze", text(self.0)]).expect("it thaws");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.unmount());
    }
}
