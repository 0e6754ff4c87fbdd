//! Text in columns, by the rules of Go's `text/tabwriter`, which Docker uses
//! for all its tables.

/// How columns are laid out.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// No column is narrower.
    pub min_width: usize,
    /// Spaces after the widest cell.
    pub padding: usize,
}

/// The columns of Docker's lists.
pub const LIST: Columns = Columns { min_width: 10, padding: 3 };

/// Aligns text whose cells end in tabs. The last cell of a line belongs to
/// no column; a column is as wide as its widest cell in a run of lines that
/// have it.
pub fn align(text: &str, columns: Columns) -> String {
    let lines: Vec<Vec<&str>> =
        text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> =
        lines.iter().map(|cells| vec![0; cells.len() - 1]).collect();
    let most = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..most {
        let mut from = 0;
        while from < lines.len() {
            let has = |i: usize| widths[i].len() > column;
            if !has(from) {
                from += 1;
                continue;
            }
            let to = (from..lines.len()).find(|&i| !has(i));
            let to = to.unwrap_or(lines.len());
            let widest = lines[from..to]
                .iter()
                .map(|cells| cells[column].chars().count())
                .max()
                .unwrap_or(0);
            let width = (widest + columns.padding).max(columns.min_width);
            for line in &mut widths[from..to] {
                line[column] = width;
            }
            from = to;
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (i, cells) in lines.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        for (column, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths[i].get(column) {
                let pad = width.saturating_sub(cell.chars().count());
                out.extend(std::iter::repeat_n(' ', pad));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_dockers() {
        let text = "REPOSITORY\tTAG\tSIZE\nbusybox\tlatest\t1.99MB\n";
        assert_eq!(
            align(text, LIST),
            "REPOSITORY   TAG       SIZE\n\
             busybox      latest    1.99MB\n"
        );
    }

    #[test]
    fn characters_count_not_bytes() {
        assert_eq!(align("aé…\tb", LIST), "aé…       b");
    }

    #[test]
    fn a_line_without_the_column_ends_it() {
        let columns = Columns { min_width: 0, padding: 1 };
        let text = "a\tb\nplain\nlonger\tc";
        assert_eq!(align(text, columns), "a b\nplain\nlonger c");
    }
}
