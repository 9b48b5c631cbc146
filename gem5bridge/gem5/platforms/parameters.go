package platforms

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"microcosm/images/isa"
	"microcosm/setup/spelling"
)

// kind is what a parameter's value is.
type kind int

const (
	count     kind = iota + 1 // a whole number
	size                      // bytes, as "32KiB"
	frequency                 // as "3GHz"
	word                      // one of a list
)

// parameter says what values a parameter takes and where it applies.
type parameter struct {
	kind     kind
	min, max int64    // of count, size and frequency
	power    bool     // a power of two
	words    []string // of word
	fixed    bool     // it makes the platform what it is
	models   []string // of cores; nil: all
	isa      isa.ISA  // Invalid: all
	levels   int64    // least number of cache levels
}

// Names that this package needs to know the values of.
const (
	modelName  = "core.model"
	clockName  = "core.clock"
	levelsName = "cache.levels"
	memoryName = "memory.size"
)

// Models of cores.
const (
	outOfOrder = "o3"
	inOrder    = "minor"
	timing     = "timing"
)

// table lists every parameter. What gem5 calls it stands in config/cores.py and
// config/caches.py.
var table = parameters()

func parameters() map[string]parameter {
	t := map[string]parameter{
		modelName:           {kind: word, words: []string{outOfOrder, inOrder, timing}, fixed: true},
		clockName:           {kind: frequency, min: 100e6, max: 10e9},
		levelsName:          {kind: count, min: 2, max: 3, fixed: true},
		"cache.line":        {kind: size, min: 32, max: 128, power: true},
		memoryName:          {kind: size, min: 512 << 20, max: 3 << 30},
		"memory.technology": {kind: word, words: []string{"ddr3-1600", "ddr4-2400", "lpddr3-1600"}},
		"memory.channels":   {kind: count, min: 1, max: 4, power: true},
		"itlb.entries":      {kind: count, min: 64, max: 1 << 14}, // checkpoints hold up to 64 entries
		"dtlb.entries":      {kind: count, min: 64, max: 1 << 14},
		"l2tlb.entries":     {kind: count, min: 64, max: 1 << 14, isa: isa.Arm},
		"walkcache.size":    {kind: size, min: 1 << 10, max: 1 << 20, power: true},
	}
	o3 := []string{outOfOrder}
	for _, name := range []string{"fetch", "decode", "rename", "dispatch", "issue", "writeback", "commit", "squash"} {
		t["width."+name] = parameter{kind: count, min: 1, max: 12, models: o3}
	}
	for _, name := range []string{"fetch_to_decode", "decode_to_rename", "rename_to_issue", "issue_to_execute", "execute_to_commit"} {
		t["delay."+name] = parameter{kind: count, min: 1, max: 20, models: o3}
	}
	for _, name := range []string{"rob", "issue", "loads", "stores", "fetch"} {
		t["queue."+name] = parameter{kind: count, min: 4, max: 2048, models: o3}
	}
	t["queue.fetch_buffer"] = parameter{kind: size, min: 8, max: 128, power: true, models: o3}
	for _, name := range []string{"integer", "float", "vector"} {
		t["registers."+name] = parameter{kind: count, min: 64, max: 2048, models: o3}
	}
	for _, name := range []string{"integer", "multiply", "vector", "load", "store"} {
		t["units."+name] = parameter{kind: count, min: 1, max: 16, models: o3}
	}
	predicted := []string{outOfOrder, inOrder}
	t["client.model"] = parameter{kind: word, words: []string{"same", timing}, models: predicted} // of the core that calls: as core.model, or faster
	t["predictor.direction"] = parameter{kind: word, words: []string{"local", "bimode", "tournament", "ltage", "tage-sc-l-8KB", "tage-sc-l-64KB"}, models: predicted}
	t["predictor.btb"] = parameter{kind: count, min: 64, max: 1 << 16, power: true, models: predicted}
	t["predictor.returns"] = parameter{kind: count, min: 4, max: 256, models: predicted}
	t["predictor.indirect_sets"] = parameter{kind: count, min: 16, max: 1 << 12, power: true, models: predicted}
	for _, c := range []struct {
		name   string
		levels int64
		max    int64
	}{{"l1i", 2, 1 << 20}, {"l1d", 2, 1 << 20}, {"l2", 2, 64 << 20}, {"l3", 3, 512 << 20}} {
		t[c.name+".size"] = parameter{kind: size, min: 1 << 10, max: c.max, levels: c.levels}
		t[c.name+".ways"] = parameter{kind: count, min: 1, max: 64, levels: c.levels}
		t[c.name+".latency"] = parameter{kind: count, min: 1, max: 200, levels: c.levels} // cycles, of a hit
		t[c.name+".misses"] = parameter{kind: count, min: 1, max: 256, levels: c.levels}  // outstanding
		t[c.name+".prefetcher"] = parameter{kind: word, words: []string{"none", "tagged", "stride", "ampm", "bop"}, levels: c.levels}
	}
	return t
}

// applies says whether a platform of that core model, ISA and number of cache
// levels has the parameter.
func (p parameter) applies(model string, of isa.ISA, levels int64) bool {
	return (p.models == nil || slices.Contains(p.models, model)) && (p.isa == isa.Invalid || p.isa == of) && levels >= p.levels
}

// check returns what is missing, what does not apply and what does not fit
// together. Of the parameters named wrong it has been said what is wrong with them.
func (p *Platform) check(wrong ...string) []error {
	model := p.Parameters[modelName]
	levels, err := table[levelsName].parse(p.Parameters[levelsName])
	switch {
	case slices.Contains(wrong, modelName) || slices.Contains(wrong, levelsName):
		return nil // which parameters there are hangs on these two
	case model == "" || err != nil:
		return []error{errors.New("core.model and cache.levels must be given")}
	}
	var mistakes []error
	for _, name := range slices.Sorted(maps.Keys(table)) {
		_, has := p.Parameters[name]
		switch applies := table[name].applies(model, p.ISA, levels); {
		case applies && !has && !slices.Contains(wrong, name):
			mistakes = append(mistakes, fmt.Errorf("%s: missing", name))
		case has && !applies:
			mistakes = append(mistakes, fmt.Errorf("%s: does not apply to a core of model %s on %s with %d cache levels", name, model, p.ISA, levels))
		}
	}
	if len(mistakes)+len(wrong) > 0 {
		return mistakes
	}
	if bytes := p.MemoryBytes(); bytes%(1<<20) != 0 {
		mistakes = append(mistakes, fmt.Errorf("%s: %d: want whole MiB", memoryName, bytes))
	}
	for _, c := range []string{"l1i", "l1d", "l2", "l3"} {
		if _, has := p.Parameters[c+".size"]; has {
			mistakes = append(mistakes, p.checkCache(c))
		}
	}
	return slices.DeleteFunc(mistakes, func(err error) bool { return err == nil })
}

// checkCache returns why a cache cannot be built: gem5's sets are a power of two.
func (p *Platform) checkCache(name string) error {
	number := func(of string) int64 {
		n, _ := table[of].parse(p.Parameters[of]) // set has parsed it
		return n
	}
	bytes, line, ways := number(name+".size"), number("cache.line"), number(name+".ways")
	sets := bytes / (line * ways)
	if sets == 0 || sets&(sets-1) != 0 || sets*line*ways != bytes {
		return fmt.Errorf("%s: %s in %d ways of lines of %d bytes has no power of two of sets: change size or ways",
			name, p.Parameters[name+".size"], ways, line)
	}
	return nil
}

// parse reads a value: its number, or the index of its word.
func (p parameter) parse(text string) (int64, error) {
	if p.kind == word {
		i := slices.Index(p.words, text)
		if i < 0 {
			return 0, fmt.Errorf("%q: want one of %s", text, strings.Join(p.words, ", "))
		}
		return int64(i), nil
	}
	n, ok := scan(text, units[p.kind])
	switch {
	case !ok:
		return 0, fmt.Errorf("%q: want %s", text, examples[p.kind])
	case n < p.min || n > p.max:
		return 0, fmt.Errorf("%s: want %s to %s", text, p.format(p.min), p.format(p.max))
	case p.power && n&(n-1) != 0:
		return 0, fmt.Errorf("%s: want a power of two", text)
	}
	return n, nil
}

// format writes what parse reads, the same for equal values.
func (p parameter) format(n int64) string {
	if p.kind == word {
		return p.words[n]
	}
	for _, u := range units[p.kind] {
		if n != 0 && n%u.factor == 0 {
			return strconv.FormatInt(n/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

type unit struct {
	name   string
	factor int64
}

// units are the units of each kind, the largest first.
var units = map[kind][]unit{
	count:     {{"", 1}},
	size:      {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}},
	frequency: {{"GHz", 1e9}, {"MHz", 1e6}, {"kHz", 1e3}, {"Hz", 1}},
}

var examples = map[kind]string{
	count:     "a whole number",
	size:      `a size like "32KiB" or "1MiB"`,
	frequency: `a frequency like "3GHz" or "2600MHz"`,
}

// scan reads a number with one of the units. "2.6GHz" is read, too: what counts
// is that the value is whole in the smallest unit, and at most most.
func scan(text string, units []unit) (int64, bool) {
	const most = 1 << 53
	for _, u := range units {
		digits, found := strings.CutSuffix(text, u.name)
		if !found {
			continue
		}
		whole, fraction, dotted := strings.Cut(digits, ".")
		n, ok := decimal(whole)
		if !ok || n > most/u.factor {
			continue
		}
		n *= u.factor
		if !dotted {
			return n, true
		}
		// Nine digits of a GiB stay within 63 bits.
		part, ok := decimal(fraction)
		if !ok || len(fraction) > 9 || u.factor == 1 {
			continue
		}
		divisor := int64(1)
		for range fraction {
			divisor *= 10
		}
		if part*u.factor%divisor != 0 || part*u.factor/divisor > most-n {
			continue
		}
		return n + part*u.factor/divisor, true
	}
	return 0, false
}

// decimal reads digits and nothing else.
func decimal(text string) (int64, bool) {
	if text == "" || strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// meant names the parameter that was probably meant.
func meant(name string, among []string) string {
	near := spelling.Nearest(name, among)
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}
