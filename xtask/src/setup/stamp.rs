//! Remembers which list of packages an installation was made from, so that it is made again only when that changed.

use std::path::{Path, PathBuf};

use crate::shell::{self, Failure};

/// A copy of the list, kept inside what was installed: deleting the installation deletes it too.
pub(super) struct Stamp {
    path: PathBuf,
    list: String,
}

impl Stamp {
    pub(super) fn of(list: &Path, installation: &Path) -> Result<Self, Failure> {
        Ok(Self {
            path: installation.join(".installed-from"),
            list: shell::read(list)?,
        })
    }

    pub(super) fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.path).is_ok_and(|installed| installed == self.list)
    }

    pub(super) fn write(&self) -> Result<(), Failure> {
        std::fs::write(&self.path, &self.list)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", self.path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_current_until_its_list_changes() {
        let folder = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let list = folder.join("requirements.txt");
        let stamp = |text: &str| {
            std::fs::write(&list, text).expect("writable");
            Stamp::of(&list, &folder).expect("readable")
        };

        assert!(!stamp("openai==1").is_current());
        stamp("openai==1").write().expect("writable");
        assert!(stamp("openai==1").is_current());
        assert!(!stamp("openai==2").is_current());
        std::fs::remove_dir_all(&folder).expect("removable");
    }
}
