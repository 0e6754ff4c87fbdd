//! Role choice: a re-executed role first, then the daemon with `-d`, else
//! the client.

fn main() {}
