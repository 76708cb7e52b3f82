//! Postgres's clock, made to jump by libfaketime where that is installed.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ropeline::dev::stores::FalseClock;

/// Where Debian and others keep the library; the second part depends on the processor.
const HOMES: [&str; 2] = ["/usr/lib", "/usr/lib64"];
const NAME: &str = "faketime/libfaketime.so.1";

/// The false clock and how far off it is.
pub struct Clock {
    pub file: FalseClock,
    seconds: i64,
}

impl Clock {
    /// A clock that is right until it jumps; nothing where the library is missing.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn find() -> Result<Option<Self>> {
        let Some(library) = library() else { return Ok(None) };
        // In the temporary directory: Postgres may run as a user that cannot go elsewhere.
        let offset = format!("ropeline-drill-{}-clock", std::process::id());
        let offset = std::env::temp_dir().join(offset);
        let clock = Self { file: FalseClock { library, offset }, seconds: 0 };
        clock.write()?;
        Ok(Some(clock))
    }

    /// Jumps.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn jump(&mut self, by_seconds: i64) -> Result<()> {
        self.seconds += by_seconds;
        self.write()
    }

    /// The file changes as a whole: Postgres reads it at each look at the clock.
    fn write(&self) -> Result<()> {
        let draft = self.file.offset.with_extension("new");
        std::fs::write(&draft, format!("{:+}\n", self.seconds))?;
        Ok(std::fs::rename(draft, &self.file.offset)?)
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // Left behind at worst, in the temporary directory.
        let _ = std::fs::remove_file(&self.file.offset);
    }
}

fn library() -> Option<PathBuf> {
    HOMES.iter().find_map(|home| {
        let home = Path::new(home);
        let inside = std::fs::read_dir(home).ok()?.flatten().map(|entry| entry.path());
        [home.to_owned()].into_iter().chain(inside).map(|dir| dir.join(NAME)).find(|f| f.is_file())
    })
}
