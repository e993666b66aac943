//! Rebuilds the crate when a migration is added: the compiler does not know that they are read.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
