//! What a signal leaves while several threads write files. In a process of its own: after `remove_unfinished` no thread
//! of a process can write.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The folder that the process started by the test writes to.
const FOLDER: &str = "DCGAN_FILES_TEST_FOLDER";
const PROCESSES: usize = 40;

#[test]
fn no_temporary_file_is_left_by_threads_that_were_creating_it() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write_until_the_signal(Path::new(&folder));
    }
    for _ in 0..PROCESSES {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new(std::env::current_exe().unwrap()).env(FOLDER, folder.path()).status().unwrap();
        assert!(status.success());
        let names = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(names().next().is_some(), "something was written");
        let left: Vec<_> = names().filter(|name| dcgan_files::is_temporary(name)).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn write_until_the_signal(folder: &Path) {
    for number in 0..8 {
        let path = folder.join(number.to_string());
        thread::spawn(move || {
            loop {
                // An error would end the process with another status than the signal.
                if dcgan_files::write_atomic(&path, b"content").is_err() {
                    std::process::exit(1);
                }
            }
        });
    }
    while !folder.join("0").exists() {
        thread::yield_now();
    }
    dcgan_files::remove_unfinished();
    // What a thread was doing has time to end.
    thread::sleep(Duration::from_millis(5));
    std::process::exit(0);
}
