//! The format of Cobertura, which CI services read, from that of lcov.

use super::lcov::FileRecord;
use camino::{Utf8Path, Utf8PathBuf};
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::writer::Writer;
use std::collections::BTreeMap;
use std::io;

/// A function by its line and name, with the number of its calls.
type Methods = BTreeMap<(u32, String), u64>;

/// A report as XML. `root`: the directory that paths are relative to; `timestamp`: in milliseconds
/// since 1970.
pub fn document(files: &[FileRecord], root: &Utf8Path, timestamp: u128) -> io::Result<Vec<u8>> {
    let mut packages: BTreeMap<String, Vec<(Utf8PathBuf, &FileRecord)>> = BTreeMap::new();
    for file in files {
        let path = Utf8Path::new(&file.path);
        let path = path.strip_prefix(root).unwrap_or(path).to_owned();
        let package = path
            .parent()
            .map(|parent| parent.as_str().replace('/', "."));
        let package = package.unwrap_or_default();
        packages.entry(package).or_default().push((path, file));
    }
    let mut xml = Xml(Writer::new_with_indent(Vec::new(), b' ', 2));
    xml.write(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.write(Event::DocType(BytesText::from_escaped(
        "coverage SYSTEM \"http://cobertura.sourceforge.net/xml/coverage-04.dtd\"",
    )))?;
    let all = Rate::of(files);
    let timestamp = timestamp.to_string();
    let covered = all.covered.to_string();
    let valid = all.valid.to_string();
    xml.start(
        "coverage",
        &[
            ("lines-covered", &covered),
            ("lines-valid", &valid),
            ("line-rate", &all.text()),
            ("branches-covered", "0"),
            ("branches-valid", "0"),
            ("branch-rate", "0"),
            ("complexity", "0"),
            ("version", env!("CARGO_PKG_VERSION")),
            ("timestamp", &timestamp),
        ],
    )?;
    xml.start("sources", &[])?;
    xml.start("source", &[])?;
    xml.write(Event::Text(BytesText::new(root.as_str())))?;
    xml.end("source")?;
    xml.end("sources")?;
    xml.start("packages", &[])?;
    for (name, files) in &packages {
        let rate = Rate::of(files.iter().map(|(_, file)| *file));
        let attributes = [("name", name.as_str()), ("line-rate", &rate.text())];
        xml.start("package", &[&attributes[..], &REST].concat())?;
        xml.start("classes", &[])?;
        for (path, file) in files {
            xml.class(path, file)?;
        }
        xml.end("classes")?;
        xml.end("package")?;
    }
    xml.end("packages")?;
    xml.end("coverage")?;
    let mut document = xml.0.into_inner();
    document.push(b'\n');
    Ok(document)
}

/// Attributes that the format requires, about what is not measured.
const REST: [(&str, &str); 2] = [("branch-rate", "0"), ("complexity", "0")];

struct Xml(Writer<Vec<u8>>);

impl Xml {
    fn class(&mut self, path: &Utf8Path, file: &FileRecord) -> io::Result<()> {
        let name = path.with_extension("").as_str().replace('/', ".");
        let attributes = [
            ("name", name.as_str()),
            ("filename", path.as_str()),
            ("line-rate", &Rate::of([file]).text()),
        ];
        self.start("class", &[&attributes[..], &REST].concat())?;
        self.start("methods", &[])?;
        for ((line, name), calls) in methods(file) {
            let rate = if calls > 0 { "1" } else { "0" };
            let attributes = [
                ("name", name.as_str()),
                ("signature", ""),
                ("line-rate", rate),
            ];
            self.start("method", &[&attributes[..], &REST].concat())?;
            self.lines([(line, calls)])?;
            self.end("method")?;
        }
        self.end("methods")?;
        self.lines(file.lines.iter().map(|(line, count)| (*line, *count)))?;
        self.end("class")
    }

    fn lines(&mut self, lines: impl IntoIterator<Item = (u32, u64)>) -> io::Result<()> {
        self.start("lines", &[])?;
        for (line, count) in lines {
            let (line, count) = (line.to_string(), count.to_string());
            let mut element = BytesStart::new("line");
            element.extend_attributes([
                ("number", line.as_str()),
                ("hits", count.as_str()),
                ("branch", "false"),
            ]);
            self.write(Event::Empty(element))?;
        }
        self.end("lines")
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) -> io::Result<()> {
        let mut element = BytesStart::new(name);
        element.extend_attributes(attributes.iter().copied());
        self.write(Event::Start(element))
    }

    fn end(&mut self, name: &str) -> io::Result<()> {
        self.write(Event::End(BytesEnd::new(name)))
    }

    fn write(&mut self, event: Event<'_>) -> io::Result<()> {
        self.0.write_event(event)
    }
}

/// The functions of a file. Instances of a function, and the same function in several programs, are
/// one.
fn methods(file: &FileRecord) -> Methods {
    let mut methods = Methods::new();
    for function in &file.functions {
        // Without the hash that tells crates from one another.
        let name = format!("{:#}", rustc_demangle::demangle(&function.symbol));
        let calls = methods.entry((function.line, name)).or_default();
        *calls = calls.saturating_add(function.calls);
    }
    methods
}

/// How many lines ran.
#[derive(Clone, Copy, Default)]
struct Rate {
    covered: usize,
    valid: usize,
}

impl Rate {
    fn of<'a>(files: impl IntoIterator<Item = &'a FileRecord>) -> Self {
        let mut rate = Self::default();
        for file in files {
            rate.valid += file.lines.len();
            rate.covered += file.lines.values().filter(|count| **count > 0).count();
        }
        rate
    }

    fn text(self) -> String {
        let rate = self.covered as f64 / self.valid.max(1) as f64;
        format!("{rate:.4}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::lcov;

    #[test]
    fn a_file_is_a_class_in_the_package_of_its_directory() {
        let text = "SF:/ws/src/a&b.rs\nFN:2,_RNvCsd2xVICUyTOv_1e3add\nFN:2,_RNvCseD27UV57nG5_1e3add\n\
                    FNDA:1,_RNvCsd2xVICUyTOv_1e3add\nFNDA:2,_RNvCseD27UV57nG5_1e3add\n\
                    DA:2,3\nDA:3,0\nend_of_record\n";
        let document = document(&lcov::parse(text), "/ws".into(), 5).unwrap();
        insta::assert_snapshot!(String::from_utf8(document).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">
        <coverage lines-covered="1" lines-valid="2" line-rate="0.5000" branches-covered="0" branches-valid="0" branch-rate="0" complexity="0" version="VERSION" timestamp="5">
          <sources>
            <source>/ws</source>
          </sources>
          <packages>
            <package name="src" line-rate="0.5000" branch-rate="0" complexity="0">
              <classes>
                <class name="src.a&amp;b" filename="src/a&amp;b.rs" line-rate="0.5000" branch-rate="0" complexity="0">
                  <methods>
                    <method name="e::add" signature="" line-rate="1" branch-rate="0" complexity="0">
                      <lines>
                        <line number="2" hits="3" branch="false"/>
                      </lines>
                    </method>
                  </methods>
                  <lines>
                    <line number="2" hits="3" branch="false"/>
                    <line number="3" hits="0" branch="false"/>
                  </lines>
                </class>
              </classes>
            </package>
          </packages>
        </coverage>
        "#);
    }
}
