//! The files of the page, built into the program.

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Declares files of `local/console` with their types.
macro_rules! files {
    ($($kind:ident $name:literal),+ $(,)?) => {
        [$(($name, $kind, include_bytes!(concat!("../../console/", $name)).as_slice())),+]
    };
}

const FILES: &[(&str, &str, &[u8])] = &files![
    HTML "index.html",
    CSS "console.css",
    SVG "icon.svg",
    JS "app.js",
    JS "api.js",
    JS "break.js",
    JS "charts.js",
    JS "chat.js",
    JS "detect.js",
    JS "dom.js",
    JS "feed.js",
    JS "results.js",
    JS "try.js",
    JS "watch.js",
    JS "vendor/uPlot.esm.js",
    CSS "vendor/uPlot.min.css",
];

/// Returns the file at a path of the console, with its type.
pub(super) fn find(path: &str) -> Option<(&'static str, &'static [u8])> {
    let name = match path {
        "/" => "index.html",
        path => path.strip_prefix(super::PREFIX)?,
    };
    let found = FILES.iter().find(|(file, _, _)| *file == name)?;
    Some((found.1, found.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_its_files_are_found_and_nothing_else() {
        assert_eq!(find("/").unwrap().0, HTML);
        assert_eq!(find("/console/app.js").unwrap().0, JS);
        for path in ["/console/", "/console/../Cargo.toml", "/app.js", "/console/vendor"] {
            assert!(find(path).is_none(), "{path}");
        }
    }
}
