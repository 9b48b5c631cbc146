package functions

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"microcosm/functions/internal/hotel"
	"microcosm/functions/proto/geopb"
	"microcosm/functions/proto/profilepb"
	"microcosm/functions/proto/ratepb"
	"microcosm/functions/proto/recommendationpb"
	"microcosm/functions/proto/reservationpb"
	"microcosm/functions/proto/userpb"
)

// chord is the distance through a sphere of the earth's size, by coordinates in space:
// what is near by it is near along the ground, too.
func chord(lat1, lon1, lat2, lon2 float64) float64 {
	space := func(lat, lon float64) [3]float64 {
		lat, lon = lat*math.Pi/180, lon*math.Pi/180
		return [3]float64{math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)}
	}
	a, b := space(lat1, lon1), space(lat2, lon2)
	return 6371 * math.Sqrt((a[0]-b[0])*(a[0]-b[0])+(a[1]-b[1])*(a[1]-b[1])+(a[2]-b[2])*(a[2]-b[2]))
}

func TestTheNearestHotelsAndNoOthers(t *testing.T) {
	t.Parallel()
	longest := 2 * 6371 * math.Sin(10./6371/2) // the chord of ten kilometres
	rapid.Check(t, func(t *rapid.T) {
		lat, lon := rapid.Float32Range(37.6, 38.4).Draw(t, "lat"), rapid.Float32Range(-122.6, -121.6).Draw(t, "lon")
		places := hotel.Places()
		far := func(p hotel.Place) float64 { return chord(float64(lat), float64(lon), p.Lat, p.Lon) }
		slices.SortStableFunc(places, func(a, b hotel.Place) int {
			switch d := far(a) - far(b); {
			case d < 0:
				return -1
			case d > 0:
				return 1
			}
			return 0
		})
		var ids []string
		for _, p := range places[:5] {
			if far(p) <= longest {
				ids = append(ids, p.ID)
			}
		}
		q := &geopb.Request{Lat: lat, Lon: lon}
		check := func(ids []string) error { return checkGeo(Go, q, &geopb.Result{HotelIds: ids}) }
		require.NoError(t, check(ids))
		require.Error(t, check(append(slices.Clone(ids), "81")))
		if len(ids) > 0 {
			require.Error(t, check(ids[:len(ids)-1]))
		}
		if len(ids) > 1 {
			slices.Reverse(ids)
			require.Error(t, check(ids), "the farthest first")
		}
	})
}

func TestProfilesComeInTheOrderAskedFor(t *testing.T) {
	t.Parallel()
	all := hotel.Profiles()
	check := func(ids []string, hotels ...*profilepb.Hotel) error {
		return checkProfile(Go, &profilepb.Request{HotelIds: ids}, &profilepb.Result{Hotels: hotels})
	}
	require.NoError(t, check(nil))
	require.NoError(t, check([]string{"2", "1", "2"}, all[1], all[0], all[1]))
	require.ErrorContains(t, check([]string{"1", "2"}, all[1], all[0]), "hotel 0: encoded: differs")
	require.EqualError(t, check([]string{"1", "2"}, all[0]), "1 hotels: want 2")
	moved := proto.Clone(all[0]).(*profilepb.Hotel)
	moved.Address.Lat = math.Nextafter32(moved.Address.Lat, 90)
	require.Error(t, check([]string{"1"}, moved), "by one bit")
	for _, id := range []string{"0", "81", "x", ""} {
		require.EqualError(t, check([]string{id}, all[0]), fmt.Sprintf("hotel %q has no right reply", id))
	}
}

func TestRatesMayTieAndNothingElse(t *testing.T) {
	t.Parallel()
	plans := map[string]*ratepb.RatePlan{}
	for _, p := range hotel.Plans() {
		plans[p.GetHotelId()] = p
	}
	check := func(ids []string, got ...*ratepb.RatePlan) error {
		return checkRate(Go, &ratepb.Request{HotelIds: ids}, &ratepb.Result{RatePlans: got})
	}
	one, two, three := plans["1"], plans["2"], plans["3"]
	require.Equal(t, one.GetRoomType().GetTotalRate(), three.GetRoomType().GetTotalRate())
	require.NoError(t, check([]string{"1", "2", "3"}, two, one, three))
	require.NoError(t, check([]string{"1", "2", "3"}, two, three, one), "hotels 1 and 3 cost the same")
	require.EqualError(t, check([]string{"1", "2"}, one, two), "plan 1 is dearer than the one before")
	require.Error(t, check([]string{"1", "2"}, two))
	require.Error(t, check([]string{"1"}, two))
	require.Error(t, check([]string{"1"}, one, one), "one plan is there once")
	require.NoError(t, check([]string{"1", "1"}, one, one), "unless it was asked for twice")
	require.NoError(t, check([]string{"4", "9999"}), "hotels without plans have none")
	cheaper := proto.Clone(one).(*ratepb.RatePlan)
	cheaper.RoomType.TotalRateInclusive--
	require.Error(t, check([]string{"1"}, cheaper))
}

func TestRecommendedHotelsAreAllThatAreBest(t *testing.T) {
	t.Parallel()
	best := map[string][]string{}
	for _, by := range []string{"rate", "price"} {
		value := func(r hotel.Rank) float64 { return map[string]float64{"rate": -r.Rate, "price": r.Price}[by] }
		least := math.Inf(1)
		for _, r := range hotel.Ranks() {
			least = min(least, value(r))
		}
		for _, r := range hotel.Ranks() {
			if value(r) == least {
				best[by] = append(best[by], r.ID)
			}
		}
	}
	check := func(by string, ids ...string) error {
		return checkRecommendation(Go, &recommendationpb.Request{Require: by, Lat: 37.7867, Lon: -122.4112}, &recommendationpb.Result{HotelIds: ids})
	}
	for by, ids := range best {
		require.NoError(t, check(by, ids...), by)
		reversed := slices.Clone(ids)
		slices.Reverse(reversed)
		require.NoError(t, check(by, reversed...), "%s: in any order", by)
		require.Error(t, check(by, ids[1:]...), by)
		require.Error(t, check(by, append(ids, "4")...), by)
	}
	require.NoError(t, check("dis", "1"), "this is where hotel 1 stands")
	require.Error(t, check("dis", "2"))
	require.EqualError(t, check("stars", "1"), `require "stars" has no right reply`)
}

func TestRoomsAreFreeUpToTheirNumber(t *testing.T) {
	t.Parallel()
	check := func(rooms int32, ids, free []string) error {
		return checkReservation(Go, &reservationpb.Request{HotelId: ids, RoomNumber: rooms}, &reservationpb.Result{HotelId: free})
	}
	require.NoError(t, check(10, []string{"2", "1"}, []string{"2", "1"}))
	require.NoError(t, check(11, []string{"2", "1"}, []string{"1"}), "hotel 2 has ten")
	require.NoError(t, check(200, []string{"1"}, []string{"1"}))
	require.NoError(t, check(201, []string{"1"}, nil))
	require.Error(t, check(11, []string{"2"}, []string{"2"}))
	require.Error(t, check(1, []string{"2"}, nil))
	require.EqualError(t, check(1, []string{"99"}, nil), `hotel "99" has no right reply`)
}

func TestAPasswordIsTheUsersOrNot(t *testing.T) {
	t.Parallel()
	check := func(name, password string, correct bool) error {
		return checkUser(Go, &userpb.Request{Username: name, Password: password}, &userpb.Result{Correct: correct})
	}
	for _, c := range []struct {
		name, password string
		right          bool
	}{
		{"hello", "hello", true}, {"user_1", "pass_1", true}, {"user_499", "pass_499", true}, {"user_1", "pass_2", false}, {"user_500", "pass_500", false},
		{"user_1", "", false}, {"", "", false}, {"user_1", fmt.Sprintf("%x", sha256.Sum256([]byte("pass_1"))), false}, {"USER_1", "pass_1", false},
	} {
		require.NoError(t, check(c.name, c.password, c.right), c.name)
		require.Error(t, check(c.name, c.password, !c.right), c.name)
	}
}
