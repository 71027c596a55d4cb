//! A table as spreadsheets save it: a French Excel parts the columns by semicolons, others by commas
//! or tabs; some write a byte-order mark, a line `sep=;`, and lines without any value at the end.

/// The rows of a table, its header first.
#[derive(Debug)]
pub struct Sheet<'a> {
    reader: csv::Reader<&'a [u8]>,
    columns: usize,
    lines: Lines<'a>,
}

/// Counts lines up to where a row begins. The reader's own count is one short where a line ends in
/// CR LF: it stops between the two.
#[derive(Debug)]
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    fn of(&mut self, begin: usize) -> u64 {
        let after = self.bytes.get(begin..).unwrap_or_default();
        let breaks = after
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let begin = (begin + breaks.count()).min(self.bytes.len());
        let passed = self.bytes.get(self.at..begin).unwrap_or_default();
        let count = memchr::memchr_iter(b'\n', passed).count() as u64;
        (self.at, self.line) = (begin, self.line + count);
        self.line
    }
}

/// What parts the columns, as the first line shows it.
fn delimiter(line: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut quoted = false;
    for byte in line {
        quoted ^= *byte == b'"';
        for (known, count) in &mut counts {
            *count += usize::from(!quoted && *byte == *known);
        }
    }
    // Of equals the first counts.
    let (mut best, mut most) = counts[0];
    for (known, count) in counts {
        if count > most {
            (best, most) = (known, count);
        }
    }
    best
}

fn first_line(bytes: &[u8]) -> &[u8] {
    let line = bytes.split(|byte| *byte == b'\n').next();
    line.unwrap_or_default().trim_ascii_end()
}

impl<'a> Sheet<'a> {
    /// Opens a table and reads its header.
    ///
    /// # Errors
    ///
    /// When it is no CSV.
    pub fn open(bytes: &'a [u8]) -> Result<(Self, csv::StringRecord), csv::Error> {
        let mut bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut parted = delimiter(first_line(bytes));
        let mut line = 1;
        if let [b's', b'e', b'p', b'=', told] = first_line(bytes) {
            parted = *told;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            bytes = &bytes[end.map_or(bytes.len(), |end| end + 1)..];
            line = 2;
        }
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::Headers)
            .delimiter(parted)
            .flexible(true)
            .from_reader(bytes);
        let header = reader.headers()?.clone();
        let columns = header.len();
        let sheet = Self {
            reader,
            columns,
            lines: Lines { bytes, at: 0, line },
        };
        Ok((sheet, header))
    }

    /// The columns that the header names.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The rows that hold something, each with its line in the file.
    pub fn rows(&mut self) -> impl Iterator<Item = Result<(u64, csv::StringRecord), csv::Error>> {
        let lines = &mut self.lines;
        let rows = self.reader.records().map(move |row| {
            let row = row?;
            let begin = row.position().map_or(0, csv::Position::byte);
            Ok((lines.of(usize::try_from(begin).unwrap_or(usize::MAX)), row))
        });
        let holds = |row: &csv::StringRecord| row.iter().any(|cell| !cell.trim().is_empty());
        rows.filter(move |row: &Result<(u64, csv::StringRecord), csv::Error>| {
            row.as_ref().map_or(true, |(_, row)| holds(row))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(text: &[u8]) -> (Vec<String>, Vec<(u64, Vec<String>)>) {
        let (mut sheet, header) = Sheet::open(text).expect("CSV");
        let own = |row: &csv::StringRecord| row.iter().map(str::to_owned).collect();
        let rows = sheet.rows().map(|row| {
            let (line, row) = row.expect("a row");
            (line, own(&row))
        });
        let rows = rows.collect();
        (own(&header), rows)
    }

    #[test]
    fn tables_are_read_as_programs_save_them() {
        for (text, line) in [
            ("a,b\nx,\"y;z\"\n", 2),
            ("a;b\r\nx;y;z\r\n;\r\n;;\r\n\r\n", 2),
            ("\u{feff}a;b\r\n;\r\nx;y\r\n", 3),
            ("\u{feff}\"a\"\t\"b\"\nx\ty\n", 2),
            ("sep=;\r\na;b\r\nx;y\r\n", 3),
            ("sep=,\na,b\nx,y\n , \n", 3),
            ("a;b\r\n\r\n\r\nx;y\r\n", 4),
        ] {
            let (header, rows) = cells(text.as_bytes());
            assert_eq!(header, ["a", "b"], "{text:?}");
            assert_eq!(
                (rows.len(), rows[0].0, rows[0].1[0].as_str()),
                (1, line, "x"),
                "{text:?}"
            );
        }
        let (_, rows) = cells(b"a;b\r\n\"x\r\ny\";1\r\nz;2\r\n");
        assert_eq!((rows[0].0, rows[1].0), (2, 4));
        let (header, rows) = cells(b"\"a;b\",c\n1,2\n");
        assert_eq!((header[0].as_str(), rows.len()), ("a;b", 1));
    }
}
