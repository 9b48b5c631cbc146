package results

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"microcosm/cosim/servicetime"
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
}

// where returns the filter as SQL over the table keys, with its arguments.
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
	return strings.Join(clauses, " AND "), arguments
}

// KeySummary says what the store holds of one key.
type KeySummary struct {
	Key       servicetime.Key
	Valid     int
	Censored  int
	Rejected  int
	Next      int               // number of the key's next sample
	Boots     int               // named boots the valid samples stem from
	Restores  int               // named restores the valid samples stem from
	Median    servicetime.Ticks // of the valid samples' service times; 0 if there are none
	Backends  []string          // who measured, in alphabetical order
	Simulator []string          // binary digests, in alphabetical order; more than one is worth a warning
	First     time.Time         // date of the oldest sample; zero if no date is known
	Last      time.Time         // date of the newest sample; zero if no date is known
	Cost      time.Duration     // host time of all samples
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
	slices.SortFunc(keys, func(a, b KeySummary) int { return compareKeys(a.Key, b.Key) })
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
	k := &s.Key
	err = r.Scan(&row, &k.Function, &k.Image, &k.Input, &k.Platform, &k.PlatformDigest, &condition, &k.Stack,
		&s.Valid, &s.Censored, &s.Rejected, &s.Next, &s.Boots, &s.Restores, &backends, &simulators, &first, &last, &s.Cost)
	if err != nil {
		return row, s, err
	}
	if k.Condition, err = servicetime.ParseCondition(condition); err != nil {
		return row, s, fmt.Errorf("key in row %d: %w", row, err)
	}
	if s.Backends, err = sortedList(backends); err != nil {
		return row, s, err
	}
	if s.Simulator, err = sortedList(simulators); err != nil {
		return row, s, err
	}
	s.First, s.Last = timeOrZero(first), timeOrZero(last)
	return row, s, nil
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

// compareKeys orders keys by function, input, platform, platform digest, image,
// stack and condition.
func compareKeys(a, b servicetime.Key) int {
	return cmp.Or(
		cmp.Compare(a.Function, b.Function), cmp.Compare(a.Input, b.Input),
		cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.PlatformDigest, b.PlatformDigest),
		cmp.Compare(a.Image, b.Image), cmp.Compare(a.Stack, b.Stack),
		compareConditions(a.Condition, b.Condition))
}

// conditionOrder is the order in which a sandbox meets the conditions.
var conditionOrder = map[servicetime.Kind]int{
	servicetime.StageCreate: 1, servicetime.StageInit: 2, servicetime.Cold: 3, servicetime.Warm: 4,
	servicetime.Lukewarm: 5, servicetime.Flush: 6, servicetime.FlushStructure: 7, servicetime.Stressor: 8,
}

func compareConditions(a, b servicetime.Condition) int {
	return cmp.Or(cmp.Compare(conditionOrder[a.Kind], conditionOrder[b.Kind]),
		cmp.Compare(a.Mix, b.Mix), cmp.Compare(a.K, b.K), cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Structures, b.Structures))
}
