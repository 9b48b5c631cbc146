package gem5bridge

import "slices"

// Median returns the middle of values, the lower of two; 0 if there are none. Back
// ends judge by it what is usual in a cell.
func Median[T ~int64 | ~float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}
