package results

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// Filter picks samples by their keys. An empty field picks every value.
type Filter struct {
	Function       string
	Image          string
	Input          string
	Platform       string
	PlatformDigest string
	Condition      servicetime.Condition
	Stack          string

	// Collection names a collection: only its samples. Own picks only those that
	// were stored by other means. Without both, a sample stored by other means
	// hides those of the same key and number in collections, and one of an older
	// collection those in newer ones.
	Collection string
	Own        bool
}

// where returns the filter as SQL over keys and samples, with its arguments.
func (f Filter) where() (clause string, arguments []any) {
	clauses := []string{"true"}
	add := func(column, value string) {
		if value != "" {
			clauses = append(clauses, "keys."+column+" = ?")
			arguments = append(arguments, value)
		}
	}
	add("function", f.Function)
	add("image", f.Image)
	add("input", f.Input)
	add("platform", f.Platform)
	add("platform_digest", f.PlatformDigest)
	if f.Condition.Kind != servicetime.Invalid {
		add("condition", f.Condition.String())
	}
	add("stack", f.Stack)
	switch {
	case f.Own:
		clauses = append(clauses, "samples.collection IS NULL")
	case f.Collection != "":
		clauses = append(clauses, "samples.collection = (SELECT id FROM collections WHERE name = ?)")
		arguments = append(arguments, f.Collection)
	default:
		clauses = append(clauses, topmost)
	}
	return strings.Join(clauses, " AND "), arguments
}

// topmost keeps one sample of each key and number.
const topmost = `(samples.collection IS NULL OR NOT EXISTS (
	SELECT 1 FROM samples AS above WHERE above.key = samples.key AND above.n = samples.n
		AND coalesce(above.collection, 0) < samples.collection))`

// KeySummary says what the store holds of one key.
type KeySummary struct {
	Key        servicetime.Key
	Valid      int
	Censored   int
	Rejected   int
	Next       int               // number of the key's next sample
	Boots      int               // named boots the valid samples stem from
	Restores   int               // named restores the valid samples stem from
	Median     servicetime.Ticks // of the valid samples' service times; 0 if there are none
	Backends   []string          // who measured, in alphabetical order
	Simulators []string          // binary digests, in alphabetical order; more than one is worth a warning
	First      time.Time         // date of the oldest sample; zero if no date is known
	Last       time.Time         // date of the newest sample; zero if no date is known
	Cost       time.Duration     // host time of all samples
}

// Keys summarizes every key that the filter picks, ordered by function, input,
// platform, platform digest, image, stack and condition.
func (s *Store) Keys(ctx context.Context, filter Filter) ([]KeySummary, error) {
	where, arguments := filter.where()
	var keys []KeySummary
	err := s.read(ctx, "list keys", func(tx *sql.Tx) error {
		var rows []int64
		err := each(ctx, tx, summarizeKeys+where+" GROUP BY keys.id", arguments, func(r *sql.Rows) error {
			row, key, err := scanSummary(r)
			rows, keys = append(rows, row), append(keys, key)
			return err
		})
		if err != nil {
			return err
		}
		medians, err := selectMedians(ctx, tx, where, arguments)
		for i, row := range rows {
			keys[i].Median = medians[row]
		}
		return err
	})
	slices.SortFunc(keys, func(a, b KeySummary) int { return samplefile.CompareKeys(a.Key, b.Key) })
	return keys, err
}

const summarizeKeys = `
	SELECT keys.id,
		keys.function, keys.image, keys.input, keys.platform, keys.platform_digest, keys.condition, keys.stack,
		count(*) FILTER (WHERE status = 'valid'),
		count(*) FILTER (WHERE status = 'censored'),
		count(*) FILTER (WHERE status = 'rejected'),
		max(n) + 1,
		count(DISTINCT nullif(boot, '')) FILTER (WHERE status = 'valid'),
		count(DISTINCT nullif(restore, '') || char(0) || boot) FILTER (WHERE status = 'valid'),
		json_group_array(DISTINCT backend),
		json_group_array(DISTINCT simulator_digest),
		min(measured), max(measured), sum(cost)` + fromSamples

func scanSummary(r *sql.Rows) (row int64, s KeySummary, err error) {
	var condition, backends, simulators string
	var first, last sql.NullInt64
	s.Key, err = scanKey(r, []any{&row}, &condition, &s.Valid, &s.Censored, &s.Rejected, &s.Next, &s.Boots, &s.Restores,
		&backends, &simulators, &first, &last, &s.Cost)
	if err != nil {
		return row, s, err
	}
	if s.Key.Condition.String() != condition {
		return row, s, &damage{fmt.Errorf("key in row %d: %q is no condition", row, condition)}
	}
	if s.Backends, err = sortedList(backends); err != nil {
		return row, s, err
	}
	s.Simulators, err = sortedList(simulators)
	s.First, s.Last = timeOrZero(first), timeOrZero(last)
	return row, s, err
}

// scanKey scans the columns of a key between others. A condition that is no
// word of one becomes Invalid: the caller compares the word.
func scanKey(r *sql.Rows, before []any, condition *string, after ...any) (k servicetime.Key, err error) {
	columns := append(before, &k.Function, &k.Image, &k.Input, &k.Platform, &k.PlatformDigest, condition, &k.Stack)
	if err = r.Scan(append(columns, after...)...); err != nil {
		return k, err
	}
	if c, err := servicetime.ParseCondition(*condition); err == nil {
		k.Condition = c
	}
	return k, nil
}

func sortedList(array string) (list []string, err error) {
	err = json.Unmarshal([]byte(array), &list)
	slices.Sort(list)
	return list, err
}

// selectMedians returns the median service time of the valid samples by row of
// their key.
func selectMedians(ctx context.Context, tx *sql.Tx, where string, arguments []any) (map[int64]servicetime.Ticks, error) {
	const services = `SELECT keys.id, max(1, round_trip - null_call) AS service` + fromSamples + `status = 'valid' AND `
	medians := map[int64]servicetime.Ticks{}
	var current int64
	var times []servicetime.Ticks
	finish := func() {
		if n := len(times); n > 0 {
			medians[current] = times[(n-1)/2] + (times[n/2]-times[(n-1)/2])/2
		}
		times = times[:0]
	}
	err := each(ctx, tx, services+where+" ORDER BY keys.id, service", arguments, func(r *sql.Rows) error {
		var row int64
		var service servicetime.Ticks
		if err := r.Scan(&row, &service); err != nil {
			return err
		}
		if row != current {
			finish()
			current = row
		}
		times = append(times, service)
		return nil
	})
	finish()
	return medians, err
}

func timeOrZero(t sql.NullInt64) time.Time {
	if !t.Valid {
		return time.Time{}
	}
	return time.Unix(t.Int64, 0).UTC()
}
