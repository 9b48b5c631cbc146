package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// SymbolError is a symbol of a fragment that did not take: Kconfig gave it
// another value than was asked for.
type SymbolError struct {
	Symbol, Asked, Got string
	Unmet              []string // dependencies that are not met, e.g. "depends on PCI && BLOCK (PCI is n)"
	Unknown            bool     // no Kconfig file defines the symbol
}

// Error names the symbol, both values, and what stands in the way.
func (e *SymbolError) Error() string {
	text := fmt.Sprintf("CONFIG_%s: asked for %s, got %s", e.Symbol, e.Asked, e.Got)
	switch {
	case e.Unknown:
		return text + ": the kernel has no such symbol"
	case len(e.Unmet) > 0:
		return text + ": it " + strings.Join(e.Unmet, "; ")
	}
	return text + ": another symbol forces it, or its default is not ours to change"
}

// Check returns a *SymbolError, joined, for every symbol of asked that has
// another value in got. Where source is the root of the kernel's source, the
// errors tell which dependencies are not met.
func Check(asked, got Config, source string) error {
	var failed []*SymbolError
	for _, symbol := range asked.Symbols() {
		if want, is := asked[symbol], got.Value(symbol); want != is {
			failed = append(failed, &SymbolError{Symbol: symbol, Asked: want, Got: is})
		}
	}
	if len(failed) == 0 {
		return nil
	}
	if source != "" {
		if err := explain(failed, got, source); err != nil {
			return err
		}
	}
	errs := make([]error, len(failed))
	for i, e := range failed {
		errs[i] = e
	}
	return errors.Join(errs...)
}

var (
	definition = regexp.MustCompile(`^\s*(?:menu)?config\s+([A-Za-z0-9_]+)\s*$`)
	dependency = regexp.MustCompile(`^\s*depends on\s+(.+)$`)
	condition  = regexp.MustCompile(`^\s*if\s+(.+)$`)
	conditions = regexp.MustCompile(`^\s*endif\b`)
	blockEnd   = regexp.MustCompile(`^(config|menuconfig|choice|endchoice|menu|endmenu|if|endif|source|comment)\b`)
	word       = regexp.MustCompile(`!?\b[A-Z0-9_][A-Za-z0-9_]*\b`)
	helpBegins = regexp.MustCompile(`^\s+(?:---)?help(?:---)?\s*$`)
)

// helpText tells the lines of help texts, which may look like anything. One ends at
// the first line that is indented less than its own first
// (Documentation/kbuild/kconfig-language.rst, "help text").
type helpText struct {
	begun  bool
	indent int // of its first line; 0: that is still to come
}

func (h *helpText) holds(line string) bool {
	text := strings.TrimLeft(line, " \t")
	indent := len(strings.ReplaceAll(line[:len(line)-len(text)], "\t", "        "))
	switch {
	case text == "":
		return true // no line of any kind
	case h.begun && h.indent == 0:
		h.indent = indent
	}
	if h.begun = h.begun && indent > 0 && indent >= h.indent; h.begun {
		return true
	}
	h.begun, h.indent = helpBegins.MatchString(line), 0
	return h.begun
}

// explain fills in, for each failed symbol, the dependencies of its definitions
// in the Kconfig files of source that got does not meet. It reads the files as
// text: enough to point at the symbol to look at, which is all that is wanted.
func explain(failed []*SymbolError, got Config, source string) error {
	pending := map[string]*SymbolError{}
	for _, e := range failed {
		e.Unknown = true
		pending[e.Symbol] = e
	}
	return filepath.WalkDir(source, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("look for unmet dependencies: %w", err)
		}
		if entry.IsDir() || !strings.HasPrefix(entry.Name(), "Kconfig") {
			return nil
		}
		f, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("look for unmet dependencies: %w", err)
		}
		defer f.Close()
		scanKconfig(bufio.NewScanner(f), pending, got)
		return nil
	})
}

func scanKconfig(lines *bufio.Scanner, pending map[string]*SymbolError, got Config) {
	var enclosing []string
	var current *SymbolError
	var help helpText
	for lines.Scan() {
		line := lines.Text()
		if help.holds(line) {
			continue
		}
		if m := definition.FindStringSubmatch(line); m != nil {
			current = pending[m[1]]
			if current != nil {
				current.Unknown = false
				for _, expr := range enclosing {
					current.addUnmet("stands inside if "+expr, expr, got)
				}
			}
			continue
		}
		if m := dependency.FindStringSubmatch(line); m != nil {
			if current != nil {
				current.addUnmet("depends on "+m[1], m[1], got)
			}
			continue
		}
		if blockEnd.MatchString(line) {
			current = nil
		}
		if m := condition.FindStringSubmatch(line); m != nil && current == nil {
			enclosing = append(enclosing, m[1])
		} else if conditions.MatchString(line) && len(enclosing) > 0 {
			enclosing = enclosing[:len(enclosing)-1]
		}
	}
}

// addUnmet notes the dependency if any symbol in it has a value that may be why
// it is not met.
func (e *SymbolError) addUnmet(text, expression string, got Config) {
	var unmet []string
	for _, w := range word.FindAllString(expression, -1) {
		symbol, negated := strings.TrimPrefix(w, "!"), strings.HasPrefix(w, "!")
		if set := got.Value(symbol) != "n"; set == negated {
			unmet = append(unmet, symbol+" is "+got.Value(symbol))
		}
	}
	if len(unmet) == 0 {
		return
	}
	slices.Sort(unmet)
	e.Unmet = append(e.Unmet, fmt.Sprintf("%s (%s)", strings.TrimSpace(text), strings.Join(slices.Compact(unmet), ", ")))
}
