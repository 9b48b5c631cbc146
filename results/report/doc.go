// Package report shows a result to people and hands it to other tools.
//
// Text is what stands on a terminal; HTML is one page with figures that needs
// neither network nor any other file; CSV and Parquet hold every number in long
// form; Write puts all of them into a directory, beside the result itself and
// about.json. README.md describes the files.
//
// What it guarantees: equal results give equal bytes, but for about.json. A
// number never stands without its interval, unless it says that there is none;
// numbers have the digits that their interval supports. Names from a scenario
// are shown, never obeyed: not by a terminal, a browser or a plot. Write replaces
// nothing that it did not write.
//
// It estimates nothing itself: what is not in the result is not in the report.
//
// # Note 1: figures as elements of the page
//
// gonum/plot draws; picture reads its SVG and writes it anew as an element of the
// page. That costs one pass over the drawing and gives three things: the page's
// style sheet decides about colours, so that figures follow the reader's choice
// of light or dark; names are escaped by one function only; and the drawing's
// fixed size, fonts and namespaces are gone. Figures are as wide as a phone and
// grow with the page, so their letters are readable on both.
//
// # Note 2: what a missing interval looks like
//
// An estimate without an interval may have a value, e.g. that of the only
// replication. The value is shown with "not estimable" in the place of the
// interval and the number of a reason that is given in full below; only where
// that would need more room than the terminal has, "[?]" stands for the words.
package report
