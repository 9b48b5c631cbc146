package servicetime

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"time"
)

// Ticks is a time in detailed simulation: picoseconds, gem5's tick. int64
// reaches 106 days.
type Ticks int64

// TicksPerNanosecond converts between the two clocks.
const TicksPerNanosecond = 1000

// TicksOf returns d in ticks.
func TicksOf(d time.Duration) Ticks { return Ticks(d) * TicksPerNanosecond }

// Duration returns t rounded to the nearest nanosecond, halves away from zero.
func (t Ticks) Duration() time.Duration {
	const half = TicksPerNanosecond / 2
	if t < 0 {
		return time.Duration((t - half) / TicksPerNanosecond)
	}
	return time.Duration((t + half) / TicksPerNanosecond)
}

// NullFunction is the name under which the null call is stored: an empty gRPC
// echo, which is subtracted from every round trip.
const NullFunction = "null"

// Key identifies what was measured. Two samples may be pooled only if their
// keys are equal: one flipped byte in any field is another key, so that a stale
// sample is never served.
type Key struct {
	Function       string    // name in the catalog of functions
	Image          string    // digest of the function's image
	Input          string    // input class
	Platform       string    // platform name, e.g. "skylake-x86"
	PlatformDigest string    // digest of the platform's parameters
	Condition      Condition // what the core remembered
	Stack          string    // digest of kernel, root file system and simulator version
}

// Digest returns the SHA-256 of the key's fields, in hexadecimal.
func (k Key) Digest() string {
	h := sha256.New()
	for _, field := range []string{k.Function, k.Image, k.Input, k.Platform, k.PlatformDigest, k.Condition.String(), k.Stack} {
		// The length in front keeps ("ab","c") and ("a","bc") apart.
		_, _ = io.WriteString(h, fmt.Sprintf("%d:%s;", len(field), field)) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// String returns the key in short, for people.
func (k Key) String() string {
	return fmt.Sprintf("%s/%s %s on %s", k.Function, k.Input, k.Condition, k.Platform)
}

// Status says what became of one detailed invocation.
type Status uint8

// The statuses of a sample.
const (
	StatusInvalid Status = iota
	Valid                // measured; counts in every distribution
	Censored             // hung or died: its time is only known to exceed RoundTrip
	Rejected             // measured, but not what was asked; Reason says why
)

var statusWords = [...]string{"invalid", "valid", "censored", "rejected"}

// String returns the word of the status.
func (s Status) String() string {
	if int(s) < len(statusWords) {
		return statusWords[s]
	}
	return statusWords[StatusInvalid]
}

// ParseStatus reads what String writes, except "invalid".
func ParseStatus(word string) (Status, error) {
	for s := Valid; int(s) < len(statusWords); s++ {
		if statusWords[s] == word {
			return s, nil
		}
	}
	return StatusInvalid, fmt.Errorf("status %q: want valid, censored or rejected", word)
}

// Sample is one measured invocation (or one stage), never an average.
type Sample struct {
	Key    Key
	N      int    // number of the sample within its key, from 0
	Seed   uint64 // hash of the campaign's seed, the key and N
	Status Status
	Reason string // why it is censored or rejected; empty when valid

	RoundTrip Ticks // work begin to work end, at the client
	Null      Ticks // the calibrated null call that is subtracted
	Busy      Ticks // the function core's non-idle time inside the round trip

	// Counters holds whatever else was counted, under the names of the Counter
	// constants or the simulator's own. A missing name was not measured.
	Counters map[string]int64

	Provenance Provenance
}

// Names of counters that mean the same for every back end.
const (
	CounterCycles              = "cycles"               // function's core, busy
	CounterIdleCycles          = "idle_cycles"          // function's core
	CounterInstructions        = "instructions"         // function's core, user and kernel, where they are not told apart
	CounterInstructionsUser    = "instructions_user"    // function's core
	CounterInstructionsKernel  = "instructions_kernel"  // function's core
	CounterInstructionsClient  = "instructions_client"  // client's core, user and kernel
	CounterL1IMisses           = "l1i_misses"           //
	CounterL1DMisses           = "l1d_misses"           //
	CounterL2Misses            = "l2_misses"            //
	CounterLLCMisses           = "llc_misses"           //
	CounterBranchMispredicts   = "branch_mispredicts"   //
	CounterITLBMisses          = "itlb_misses"          //
	CounterDTLBMisses          = "dtlb_misses"          //
	CounterFlushBytes          = "flush_bytes"          // bytes walked to produce flush
	CounterVoluntarySwitches   = "voluntary_switches"   //
	CounterInvoluntarySwitches = "involuntary_switches" // noise from other work on the core
	CounterMinorFaults         = "minor_faults"         //
)

// Provenance says where a sample comes from. It is recorded beside the key and
// never compared when samples are looked up.
type Provenance struct {
	Backend         string        // plugin that measured: "host", "gem5", or "import"
	SimulatorDigest string        // of the simulator's binary; a difference is a warning
	Boot            string        // id of the boot the sample stems from
	Restore         string        // id of the restore: samples of one restore are correlated
	Host            string        // machine that did the work
	Measured        time.Time     // when, to the second, UTC
	Cost            time.Duration // host time it took
	Note            string        // e.g. "stage in the atomic CPU model"
}

// Service returns the service time: round trip minus the null call, at least
// one tick, since noise may make the difference of two measurements negative.
// A stage has no null call and is its round trip.
func (s Sample) Service() Ticks { return max(1, s.RoundTrip-s.Null) }

// OffCore returns the part of the service time in which the function's core was
// not busy with it, at least 0.
func (s Sample) OffCore() Ticks { return max(0, s.Service()-s.Busy) }

// Instructions returns what the function's core committed, user and kernel; 0
// where it was not counted.
func (s Sample) Instructions() int64 {
	if n := s.Counters[CounterInstructions]; n > 0 {
		return n
	}
	return s.Counters[CounterInstructionsUser] + s.Counters[CounterInstructionsKernel]
}

// Check reports what is wrong with the sample itself: an incomplete key, a
// negative time, a status without its reason.
func (s Sample) Check() error {
	switch {
	case s.Key.Function == "" || s.Key.Image == "" || s.Key.Input == "" || s.Key.Platform == "" || s.Key.PlatformDigest == "" || s.Key.Stack == "":
		return fmt.Errorf("sample %d of %s: every field of the key must be given", s.N, s.Key)
	case s.Key.Condition.Kind == Invalid:
		return fmt.Errorf("sample %d of %s: no condition", s.N, s.Key)
	case s.N < 0:
		return fmt.Errorf("sample %d of %s: the number must not be negative", s.N, s.Key)
	case s.Status == StatusInvalid:
		return fmt.Errorf("sample %d of %s: no status", s.N, s.Key)
	case (s.Status == Valid) != (s.Reason == ""):
		return fmt.Errorf("sample %d of %s: a reason goes with censored and rejected, and only with them", s.N, s.Key)
	case s.RoundTrip < 0 || s.Null < 0 || s.Busy < 0:
		return fmt.Errorf("sample %d of %s: negative time", s.N, s.Key)
	case s.Status == Valid && s.RoundTrip == 0:
		return fmt.Errorf("sample %d of %s: a valid sample takes time", s.N, s.Key)
	case s.RoundTrip > math.MaxInt64/4 || s.Null > math.MaxInt64/4 || s.Busy > math.MaxInt64/4:
		return fmt.Errorf("sample %d of %s: a time beyond 26 days is not plausible", s.N, s.Key)
	}
	return nil
}
