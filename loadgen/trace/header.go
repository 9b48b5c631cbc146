package trace

import "path/filepath"

// CheckHeaders reports what can be known to be wrong with a trace before its rows
// are read: files that are missing, cannot be opened or are empty, and columns
// that their headers lack. The error joins all mistakes found.
func CheckHeaders(format Format, path string) error {
	var m mistakes
	switch format {
	case Azure2019:
		checkHeader(filepath.Join(path, "invocations.csv"), &m, identityColumns, true)
		checkHeader(filepath.Join(path, "durations.csv"), &m, profileColumns("Count", durationColumns), false)
		checkHeader(filepath.Join(path, "memory.csv"), &m, profileColumns("SampleCount", memoryColumns), false)
	case Azure2021:
		checkHeader(path, &m, callColumns, false)
	case IATFiles:
		iatFiles(path, &m)
	}
	return m.join()
}

// checkHeader notes what a table's header lacks.
func checkHeader(path string, m *mistakes, columns []string, slots bool) {
	t := openTable(path, m)
	if t == nil {
		return
	}
	defer t.close()
	t.columns(columns...)
	if slots {
		t.numbered()
	}
}
