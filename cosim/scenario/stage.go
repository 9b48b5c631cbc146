package scenario

import (
	"reflect"
	"time"
)

// Stage is the time of one stage of a cold start.
type Stage struct {
	// Measured takes what was measured with the function; a function with a
	// given law takes no time then.
	Measured bool
	// Law is a given law. Without it, and not measured, the stage takes no time.
	Law *Law
}

// read reads the word measured, a duration, or a law.
func (s *Stage) read(r *reader, p place) {
	*s = Stage{}
	switch {
	case p.node.kind == mappingNode:
		s.Law = &Law{}
		r.readStruct(reflect.ValueOf(s.Law).Elem(), p)
	case p.node.text == "measured":
		s.Measured = true
	default:
		var d time.Duration
		r.readScalar(reflect.ValueOf(&d).Elem(), field{also: "measured", bounds: "0s.."}, p)
		if d > 0 {
			s.Law = &Law{Law: "deterministic", Mean: d}
		}
	}
}

// String returns the word measured, a duration, or the name of the law.
func (s Stage) String() string {
	switch {
	case s.Measured:
		return "measured"
	case s.Law == nil:
		return "0s"
	case s.Law.Law == "deterministic":
		return s.Law.Mean.String()
	default:
		return s.Law.Law
	}
}
