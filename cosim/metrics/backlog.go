package metrics

import "math"

const (
	backlogLevel  = .998 // two-sided, so that growth is decided at 0.1 % one-sided
	backlogGrowth = 1.25 // of the later average over the earlier one
)

// BacklogGrows decides whether a queue has no steady state, from the time-averaged
// number in system in the second and in the last quarter of each replication of
// stationary arrivals. It grows where the last exceeds the second both
// significantly (paired one-sided t test at 0.1 %) and by a quarter on average.
//
// A backlog that grows in proportion to time has averages of 3/8 and 7/8 of its
// final value, a ratio of 2.33; one that diffuses with its square root, at a load
// of exactly 1, a ratio of about √(7/3) = 1.53; a stationary one 1. The threshold
// of 1.25 lies in between, so that a significant but tiny drift does not count.
// change is the mean of the differences with its 99.8 % interval; it has none, and
// grows is false, with fewer than two replications.
func BacklogGrows(second, last []float64) (grows bool, change Estimate) {
	change = PairedDifference(last, second, backlogLevel)
	if !change.OK() || change.Lo <= 0 {
		return false, change
	}
	before, _ := moments(second)
	after, _ := moments(last)
	return after >= backlogGrowth*math.Max(before, 0), change
}
