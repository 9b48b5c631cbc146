package results

import (
	"fmt"
	"maps"
	"slices"

	"microcosm/cosim/servicetime"
)

// differences says in words how sample differs from old, the stored one of the same
// key and number.
func differences(old, sample servicetime.Sample) []string {
	var list []string
	add := func(name string, given, kept any) {
		if given == kept {
			return
		}
		verb := "%v"
		if _, isText := given.(string); isText {
			verb = "%q"
		}
		list = append(list, fmt.Sprintf("%s "+verb+" is "+verb+" in the store", name, given, kept))
	}
	add("seed", sample.Seed, old.Seed)
	add("status", sample.Status, old.Status)
	add("reason", sample.Reason, old.Reason)
	add("round_trip", sample.RoundTrip, old.RoundTrip)
	add("null_call", sample.Null, old.Null)
	add("busy", sample.Busy, old.Busy)
	p, q := sample.Provenance, old.Provenance
	add("backend", p.Backend, q.Backend)
	add("simulator_digest", p.SimulatorDigest, q.SimulatorDigest)
	add("boot", p.Boot, q.Boot)
	add("restore", p.Restore, q.Restore)
	add("host", p.Host, q.Host)
	add("note", p.Note, q.Note)
	add("measured", p.Measured, q.Measured)
	add("cost", p.Cost, q.Cost)
	names := map[string]int64{}
	maps.Copy(names, old.Counters)
	maps.Copy(names, sample.Counters)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		given, here := sample.Counters[name]
		kept, there := old.Counters[name]
		if here && there {
			add(name, given, kept)
		} else {
			list = append(list, "counter "+name+" is in one of them only")
		}
	}
	return list
}
