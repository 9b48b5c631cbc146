package kernel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// Config is a kernel configuration: per symbol (without CONFIG_) the value as
// it is written, "y", "n", a number or a quoted string. In a complete
// configuration a missing symbol is "n".
type Config map[string]string

// Value returns the symbol's value, "n" where it is missing.
func (c Config) Value(symbol string) string {
	if value, ok := c[symbol]; ok {
		return value
	}
	return "n"
}

// Symbols returns the symbols in alphabetical order.
func (c Config) Symbols() []string {
	symbols := make([]string, 0, len(c))
	for symbol := range c {
		symbols = append(symbols, symbol)
	}
	slices.Sort(symbols)
	return symbols
}

var (
	setLine   = regexp.MustCompile(`^CONFIG_([A-Za-z0-9_]+)=(y|n|-?[0-9]+|0x[0-9A-Fa-f]+|"(?:[^"\\]|\\.)*")$`)
	unsetLine = regexp.MustCompile(`^# CONFIG_([A-Za-z0-9_]+) is not set$`)
)

// Parse reads a configuration or a fragment of one. Every line that is neither
// a setting nor a comment is a mistake, as is a module, since guests have none,
// and a symbol that is set twice to different values; all mistakes are reported.
func Parse(name string, r io.Reader) (Config, error) {
	config := Config{}
	var mistakes []error
	mistake := func(line int, format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("%s:%d: %s", name, line, fmt.Sprintf(format, args...)))
	}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		symbol, value := "", ""
		if m := setLine.FindStringSubmatch(line); m != nil {
			symbol, value = m[1], m[2]
		} else if m := unsetLine.FindStringSubmatch(line); m != nil {
			symbol, value = m[1], "n"
		} else if strings.HasSuffix(line, "=m") {
			mistake(n, "%s: guests load no modules: say y or n", line)
			continue
		} else if line != "" && !strings.HasPrefix(line, "#") {
			mistake(n, "%q is not CONFIG_SYMBOL=value", line)
			continue
		} else {
			continue
		}
		if earlier, ok := config[symbol]; ok && earlier != value {
			mistake(n, "%s is %s here and %s above", symbol, value, earlier)
			continue
		}
		config[symbol] = value
	}
	if err := lines.Err(); err != nil {
		mistakes = append(mistakes, fmt.Errorf("%s: %w", name, err))
	}
	return config, errors.Join(mistakes...)
}

// merge returns the union of fragments, in which a symbol may not have two
// values.
func merge(fragments ...Config) (Config, error) {
	merged := Config{}
	var conflicts []error
	for _, fragment := range fragments {
		for _, symbol := range fragment.Symbols() {
			value := fragment[symbol]
			if earlier, ok := merged[symbol]; ok && earlier != value {
				conflicts = append(conflicts, fmt.Errorf("%s is %s in one fragment and %s in another", symbol, earlier, value))
			}
			merged[symbol] = value
		}
	}
	return merged, errors.Join(conflicts...)
}

// write writes the configuration as Kconfig reads it, in alphabetical order.
func (c Config) write(w io.Writer) error {
	for _, symbol := range c.Symbols() {
		var err error
		if value := c[symbol]; value == "n" {
			_, err = fmt.Fprintf(w, "# CONFIG_%s is not set\n", symbol)
		} else {
			_, err = fmt.Fprintf(w, "CONFIG_%s=%s\n", symbol, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
