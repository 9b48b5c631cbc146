// Package servicetime says how long an invocation occupies a core and a
// sandbox, and in which microarchitectural condition.
//
// It holds the words that the cluster model, the bridge to detailed simulation
// and the store share: Key (what identifies a measurement), Condition (what the
// core remembers of a function when an invocation starts), Sample (one measured
// invocation), Distribution and Law (what the cluster model draws from) and
// Source (who answers). It measures nothing and stores nothing itself.
package servicetime

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Kind is the family a Condition belongs to.
type Kind uint8

// The kinds of condition. Cold is the first call of a new sandbox only; what
// comes before it (creating the sandbox, starting the runtime) are the two
// stages, samples of their own, so that nothing is counted twice.
const (
	Invalid        Kind = iota
	Cold                // first call of a sandbox
	Warm                // this sandbox was the last to execute on this core
	Lukewarm            // K invocations of other sandboxes executed here since
	Flush               // nothing is left: lukewarm(∞), or new to this core
	FlushStructure      // the named structures were emptied (ablation)
	Stressor            // Bytes of code and data were walked (ablation)
	StageCreate         // not a call: creating the sandbox
	StageInit           // not a call: starting the runtime until ready
)

var kindWords = [...]string{"invalid", "cold", "warm", "lukewarm", "flush", "flush", "stressor", "stage:create", "stage:init"}

// String returns the word of the kind.
func (k Kind) String() string {
	if int(k) < len(kindWords) {
		return kindWords[k]
	}
	return kindWords[Invalid]
}

// CatalogMix is the default interleaving mix of a lukewarm condition: a seeded
// draw over the catalog of functions.
const CatalogMix = "catalog"

// Condition is what the core remembers of a function when an invocation
// starts. It is comparable; build it with the constructors or ParseCondition,
// so that equal conditions are equal values.
type Condition struct {
	Kind       Kind
	K          int    // Lukewarm: invocations of other sandboxes in between, >= 1
	Mix        string // Lukewarm: who they were, CatalogMix unless named
	Bytes      int64  // Stressor: bytes of code and of data walked, >= 1
	Structures string // FlushStructure: names joined by "+", in the order given
}

// LukewarmAfter returns lukewarm(k) under the catalog mix; k = 0 is warm.
func LukewarmAfter(k int) Condition {
	if k == 0 {
		return Condition{Kind: Warm}
	}
	return Condition{Kind: Lukewarm, K: k, Mix: CatalogMix}
}

// String returns the condition as it is written in scenarios, flags, tables and
// the store: "cold", "warm", "lukewarm:4", "lukewarm:4@mix", "flush",
// "flush:l1i+l1d", "stressor:65536", "stage:create", "stage:init".
func (c Condition) String() string {
	switch c.Kind {
	case Lukewarm:
		if c.Mix != CatalogMix {
			return fmt.Sprintf("lukewarm:%d@%s", c.K, c.Mix)
		}
		return fmt.Sprintf("lukewarm:%d", c.K)
	case FlushStructure:
		return "flush:" + c.Structures
	case Stressor:
		return fmt.Sprintf("stressor:%d", c.Bytes)
	default:
		return c.Kind.String()
	}
}

// ParseCondition reads what String writes. A stressor's bytes may carry one of
// the suffixes KiB, MiB, GiB. "lukewarm:0" is warm.
func ParseCondition(text string) (Condition, error) {
	word, argument, hasArgument := strings.Cut(text, ":")
	switch {
	case text == "cold":
		return Condition{Kind: Cold}, nil
	case text == "warm":
		return Condition{Kind: Warm}, nil
	case text == "flush":
		return Condition{Kind: Flush}, nil
	case text == "stage:create":
		return Condition{Kind: StageCreate}, nil
	case text == "stage:init":
		return Condition{Kind: StageInit}, nil
	case word == "lukewarm" && hasArgument:
		return parseLukewarm(text, argument)
	case word == "flush" && argument != "":
		if !isName(argument, "+") {
			break
		}
		return Condition{Kind: FlushStructure, Structures: argument}, nil
	case word == "stressor" && hasArgument:
		bytes, err := parseBytes(argument)
		if err != nil {
			return Condition{}, fmt.Errorf("condition %q: %w", text, err)
		}
		return Condition{Kind: Stressor, Bytes: bytes}, nil
	}
	return Condition{}, fmt.Errorf("condition %q: want cold, warm, lukewarm:K[@MIX], flush, flush:STRUCTURE[+STRUCTURE], stressor:BYTES, stage:create or stage:init", text)
}

func parseLukewarm(text, argument string) (Condition, error) {
	count, mix, named := strings.Cut(argument, "@")
	if !named {
		mix = CatalogMix
	}
	k, err := strconv.ParseInt(count, 10, 32)
	if err != nil || k < 0 {
		return Condition{}, fmt.Errorf("condition %q: K must be a whole number from 0 to %d", text, math.MaxInt32)
	}
	if !isName(mix, "") {
		return Condition{}, fmt.Errorf("condition %q: the mix's name has letters, digits, '-', '_' and '.' only", text)
	}
	if k == 0 {
		return Condition{Kind: Warm}, nil
	}
	return Condition{Kind: Lukewarm, K: int(k), Mix: mix}, nil
}

func isName(s, extra string) bool {
	if s == "" {
		return false
	}
	for _, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !letter && !strings.ContainsRune("-_."+extra, r) {
			return false
		}
	}
	return true
}

func parseBytes(text string) (int64, error) {
	shift := 0
	for suffix, s := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30} {
		if digits, found := strings.CutSuffix(text, suffix); found {
			text, shift = digits, s
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt64>>shift {
		return 0, fmt.Errorf("bytes must be a whole number from 1, with or without KiB, MiB or GiB")
	}
	return n << shift, nil
}

// DefaultHalfDepth is k½ where it was not fitted: after four invocations of
// other sandboxes half of the warm state is gone.
const DefaultHalfDepth = 4

// Depth places the condition on the interpolation axis d = k/(k + k½): 0 is
// warm, 1 is flush. It reports false for the conditions that have no place on
// that axis (cold, stages, ablations). halfDepth is k½ and must be positive.
func (c Condition) Depth(halfDepth float64) (d float64, ok bool) {
	switch c.Kind {
	case Warm:
		return 0, true
	case Lukewarm:
		return DepthAfter(float64(c.K), halfDepth), true
	case Flush:
		return 1, true
	default:
		return 0, false
	}
}

// DepthAfter returns k/(k + k½).
func DepthAfter(k, halfDepth float64) float64 { return k / (k + halfDepth) }

// DepthIdle returns 1 − e^(−I/τ), the depth after an idle time of idle with the
// decay constant tau (same unit; tau > 0).
func DepthIdle(idle, tau float64) float64 { return -math.Expm1(-idle / tau) }
