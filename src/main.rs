//! Role choice: a re-executed role first, then the daemon with `-d`, else
//! the client.

fn main() {
    let name = std::env::args_os().next();
    if name.is_some_and(|name| name == skiff::shim::ROLE) {
        skiff::shim::main();
    }
}
