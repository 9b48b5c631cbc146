package samplefile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"microcosm/cosim/servicetime"
)

// nameColumns finds out what each column means.
func (r *textReader) nameColumns(names []string) {
	for i, name := range names {
		if !strings.HasPrefix(name, counterPrefix) { // a counter's name may end in a space
			name = strings.TrimSpace(name)
		}
		c, meaning := columnOf(name)
		if c == nil {
			r.at(r.line+1, "unknown column %q (number %d): want condition, a time such as service_ms or round_trip_ps, or one of those in FORMAT.md", name, i+1)
			c = &column{name: name, set: func(*servicetime.Sample, string) error { return nil }}
		} else if r.named[meaning] > 0 {
			r.at(r.line+1, "column %q: %s is given already in line %d", name, meaning, r.named[meaning])
		} else {
			r.named[meaning] = r.line + 1
		}
		r.columns = append(r.columns, *c)
	}
}

// columnOf returns the column of that name, and what it says, which only one
// column or header line may say; nil if there is none.
func columnOf(name string) (c *column, meaning string) {
	if i := slices.IndexFunc(fields, func(f field) bool { return f.name == name }); i >= 0 {
		return &column{name: name, set: fields[i].set}, strings.TrimSuffix(name, "_ps")
	}
	if counter, found := strings.CutPrefix(name, counterPrefix); found && counter != "" {
		return counterColumn(counter), name
	}
	i := strings.LastIndexByte(name, '_')
	if i < 0 || unitsPS[name[i+1:]] == 0 {
		return nil, name
	}
	meaning, unit := name[:i], name[i+1:]
	at := map[string]func(*servicetime.Sample) *servicetime.Ticks{
		// A service time has the null call subtracted already.
		"service":    func(s *servicetime.Sample) *servicetime.Ticks { return &s.RoundTrip },
		"round_trip": func(s *servicetime.Sample) *servicetime.Ticks { return &s.RoundTrip },
		"null":       func(s *servicetime.Sample) *servicetime.Ticks { return &s.Null },
		"busy":       func(s *servicetime.Sample) *servicetime.Ticks { return &s.Busy },
	}[meaning]
	if at == nil {
		return nil, name
	}
	set := func(s *servicetime.Sample, v string) (err error) {
		*at(s), err = parseTicks(v, unit)
		return err
	}
	return &column{name: name, set: set}, meaning
}

func counterColumn(counter string) *column {
	return &column{name: counterPrefix + counter, set: func(s *servicetime.Sample, v string) error {
		if v == "" {
			return nil // not measured
		}
		value, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return fmt.Errorf("%q: want a whole number", v)
		}
		if s.Counters == nil {
			s.Counters = map[string]int64{}
		}
		s.Counters[counter] = value
		return nil
	}}
}

// checkComplete reports what is missing and what contradicts itself.
func (r *textReader) checkComplete() {
	for _, f := range fields {
		if f.required && r.named[f.name] == 0 {
			where := "as a header line \"# " + f.name + ": …\" or as a column"
			if !f.inHeader {
				where = "as a column"
			}
			r.at(r.line+1, "%s is missing: give it %s", f.name, where)
		}
	}
	switch service, roundTrip := r.named["service"] > 0, r.named["round_trip"] > 0; {
	case !service && !roundTrip:
		r.at(r.line+1, "a time is missing: give a column service_UNIT or round_trip_UNIT, with the unit ps, ns, us, ms or s")
	case service && roundTrip:
		r.at(r.line+1, "give service_UNIT or round_trip_UNIT, not both")
	case service && r.named["null"] > 0:
		r.at(r.line+1, "a service time has the null call subtracted already: give round_trip_UNIT with null_UNIT, or service_UNIT alone")
	}
	r.elsewhere = r.named["backend"] == 0
	r.hasBusy = r.named["busy"] > 0
}
