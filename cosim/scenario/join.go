package scenario

import (
	"fmt"

	"microcosm/functions"
	"microcosm/loadgen"
	"microcosm/loadgen/mapping"
)

// join sets which measured function stands for each function of the trace.
func (s *Scenario) join(d *Demand, traced []loadgen.Function) error {
	catalog, err := s.origin.catalog.get()
	if err != nil {
		return err
	}
	m, err := s.mapping(traced, catalog)
	if err != nil {
		return fmt.Errorf("read workload.map: %w", err)
	}
	d.UnmappedShare = m.UnmappedShare()
	if m.Unused > 0 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("workload.map.mapper has %d entries for functions that the trace lacks", m.Unused))
	}
	substituted := 0
	for i, match := range m.Matches {
		f := &d.Functions[i]
		if match.Measured == "" {
			f.Unmapped = match.Reason
			continue
		}
		f.Measured = match.Measured
		var exact bool
		if f.Input, exact = inputLike(catalog, match); !exact {
			substituted++
		}
	}
	if substituted > 0 {
		d.Warnings = append(d.Warnings, fmt.Sprintf("workload.map maps %d of the trace's functions to inputs that the catalog lacks: the default input stands for them", substituted))
	}
	return nil
}

// mapping returns the join by the mapper's file or by the nearest profile.
func (s *Scenario) mapping(traced []loadgen.Function, catalog *functions.Catalog) (mapping.Mapping, error) {
	by, folder := s.Workload.Map, s.origin.folder()
	if by.Mapper != "" {
		table, err := mapping.ReadTable(resolve(folder, by.Mapper))
		if err != nil {
			return mapping.Mapping{}, err
		}
		return table.Join(traced, catalog.Names()), nil
	}
	var measurable []mapping.Profile
	for _, path := range by.Profiles {
		profiles, err := mapping.ReadProfiles(resolve(folder, path))
		if err != nil {
			return mapping.Mapping{}, err
		}
		for _, p := range profiles {
			name, arguments, _ := mapping.Resolve(p.Name, catalog.Names())
			if _, exact := inputLike(catalog, mapping.Match{Proxy: p.Name, Measured: name, Arguments: arguments}); exact {
				measurable = append(measurable, p) // the others could be mapped to, but not measured
			}
		}
	}
	return mapping.Nearest(traced, measurable, catalog.Names(), float64(by.ErrorCap)), nil
}

// inputLike returns the input class of the measured function that draws inputs
// like the profile's: the default one if it does, else the first by name. Where
// none does it returns the default one and false.
func inputLike(catalog *functions.Catalog, match mapping.Match) (input string, exact bool) {
	f, err := catalog.Lookup(match.Measured)
	if err != nil {
		return functions.DefaultClass, false
	}
	for _, name := range append([]string{functions.DefaultClass}, f.Classes()...) {
		if class, err := f.Class(name); err == nil && class.Profile == match.Proxy {
			return name, true
		}
	}
	return functions.DefaultClass, false
}
