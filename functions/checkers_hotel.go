package functions

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"microcosm/functions/internal/hotel"
	"microcosm/functions/proto/geopb"
	"microcosm/functions/proto/profilepb"
	"microcosm/functions/proto/ratepb"
	"microcosm/functions/proto/recommendationpb"
	"microcosm/functions/proto/reservationpb"
	"microcosm/functions/proto/userpb"
)

// checkGeo goes through all hotels, where the function searches its index.
func checkGeo(_ Runtime, q *geopb.Request, p *geopb.Result) error {
	type far struct {
		id string
		km float64
	}
	var near []far
	for _, h := range hotel.Places() {
		if km := hotel.Kilometres(float64(q.GetLat()), float64(q.GetLon()), h.Lat, h.Lon); km <= 10 {
			near = append(near, far{h.ID, km})
		}
	}
	slices.SortFunc(near, func(a, b far) int { return cmp.Compare(a.km, b.km) })
	var ids []string
	for _, h := range near[:min(5, len(near))] {
		ids = append(ids, h.id)
	}
	return sameList(p.GetHotelIds(), ids)
}

func checkProfile(_ Runtime, q *profilepb.Request, p *profilepb.Result) error {
	all := hotel.Profiles()
	if len(p.GetHotels()) != len(q.GetHotelIds()) {
		return fmt.Errorf("%d hotels: want %d", len(p.GetHotels()), len(q.GetHotelIds()))
	}
	for i, id := range q.GetHotelIds() {
		n, err := hotelNumber(id)
		if err != nil {
			return err
		}
		if err := sameMessage(p.GetHotels()[i], all[n-1]); err != nil {
			return fmt.Errorf("hotel %d: %w", i, err)
		}
	}
	return nil
}

func checkRate(_ Runtime, q *ratepb.Request, p *ratepb.Result) error {
	expected := &ratepb.Result{}
	for _, id := range q.GetHotelIds() {
		for _, plan := range hotel.Plans() {
			if plan.GetHotelId() == id {
				expected.RatePlans = append(expected.RatePlans, plan)
			}
		}
	}
	for i, plan := range p.GetRatePlans() {
		if i > 0 && plan.GetRoomType().GetTotalRate() > p.GetRatePlans()[i-1].GetRoomType().GetTotalRate() {
			return fmt.Errorf("plan %d is dearer than the one before", i)
		}
	}
	// Plans of one rate may come in any order.
	order := func(a, b *ratepb.RatePlan) int { return strings.Compare(a.GetHotelId(), b.GetHotelId()) }
	got := &ratepb.Result{RatePlans: slices.SortedFunc(slices.Values(p.GetRatePlans()), order)}
	slices.SortStableFunc(expected.RatePlans, order)
	return sameMessage(got, expected)
}

// checkRecommendation takes the first of the ranked hotels and all that tie with it.
func checkRecommendation(_ Runtime, q *recommendationpb.Request, p *recommendationpb.Result) error {
	key := map[string]func(hotel.Rank) float64{
		"dis":   func(r hotel.Rank) float64 { return hotel.Kilometres(q.GetLat(), q.GetLon(), r.Lat, r.Lon) },
		"rate":  func(r hotel.Rank) float64 { return -r.Rate },
		"price": func(r hotel.Rank) float64 { return r.Price },
	}[q.GetRequire()]
	if key == nil {
		return fmt.Errorf("require %q has no right reply", q.GetRequire())
	}
	ranks := hotel.Ranks()
	slices.SortStableFunc(ranks, func(a, b hotel.Rank) int { return cmp.Compare(key(a), key(b)) })
	var ids []string
	for _, r := range ranks {
		if key(r) > key(ranks[0]) {
			break
		}
		ids = append(ids, r.ID)
	}
	slices.Sort(ids) // in any order: vSwarm's function goes through a map
	return sameList(slices.Sorted(slices.Values(p.GetHotelIds())), ids)
}

// checkReservation holds as long as calls do not fill a hotel: those of the catalog
// ask for one room on a night nobody else takes, or for more than there are.
func checkReservation(_ Runtime, q *reservationpb.Request, p *reservationpb.Result) error {
	var free []string
	for _, id := range q.GetHotelId() {
		n, err := hotelNumber(id)
		if err != nil {
			return err
		}
		if int(q.GetRoomNumber()) <= hotel.Rooms(n) {
			free = append(free, id)
		}
	}
	return sameList(p.GetHotelId(), free)
}

func checkUser(_ Runtime, q *userpb.Request, p *userpb.Result) error {
	right := false
	for _, u := range hotel.Users() {
		right = right || u == hotel.User{Username: q.GetUsername(), Password: hotel.Hash(q.GetPassword())}
	}
	if p.GetCorrect() != right {
		return fmt.Errorf("correct is %t: want %t", p.GetCorrect(), right)
	}
	return nil
}

func hotelNumber(id string) (int, error) {
	n, err := strconv.Atoi(id)
	if err != nil || n < 1 || n > hotel.Number {
		return 0, fmt.Errorf("hotel %q has no right reply", id)
	}
	return n, nil
}

func sameList(got, expected []string) error {
	if !slices.Equal(got, expected) {
		return fmt.Errorf("got %q, want %q", got, expected)
	}
	return nil
}

func sameMessage(got, expected proto.Message) error {
	if proto.Equal(got, expected) {
		return nil
	}
	a, errA := proto.MarshalOptions{Deterministic: true}.Marshal(got)
	b, errB := proto.MarshalOptions{Deterministic: true}.Marshal(expected)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	return fmt.Errorf("encoded: %w", differs(string(a), string(b)))
}
