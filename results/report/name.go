package report

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes a name from outside fit for one line of a terminal or a page:
// control characters, line breaks, marks that reverse the direction of writing,
// with which a name could pose as another, and what XML does not know become
// U+FFFD.
func clean(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) || r == '\uFFFE' || r == '\uFFFF' {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD"))
}

var quantile = regexp.MustCompile(`\bp(\d\d)[ _.]?(\d+)\b`)

// label is a metric's name for people: "response_p99_9" is "response p99.9".
func label(metric string) string {
	text := strings.ReplaceAll(clean(metric), "_", " ")
	return quantile.ReplaceAllString(text, "p$1.$2")
}

var shareWords = []string{"share", "utilization", "fraction", "probability"}

// isShare reports whether a number without a unit is a part of a whole, which is
// shown as a percentage.
func isShare(metric string) bool {
	for _, word := range shareWords {
		if strings.Contains(metric, word) {
			return true
		}
	}
	return false
}

// times names the times of an invocation, whose mean and quantiles are metrics.
var times = []string{"response", "waiting", "service"}

// plural is "1 run", "2 runs".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return integer(int64(n)) + " " + noun + "s"
}
