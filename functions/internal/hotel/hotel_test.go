package hotel_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/functions/internal/hotel"
)

// TestDistancesAreThoseOfASphere compares with the spherical law of cosines, where it
// is exact enough, and with what distances are anywhere.
func TestDistancesAreThoseOfASphere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lat, lon := rapid.Float64Range(-90, 90), rapid.Float64Range(-180, 180)
		a, b, c := [2]float64{lat.Draw(t, "lat"), lon.Draw(t, "lon")}, [2]float64{lat.Draw(t, "lat"), lon.Draw(t, "lon")}, [2]float64{lat.Draw(t, "lat"), lon.Draw(t, "lon")}
		km := func(p, q [2]float64) float64 { return hotel.Kilometres(p[0], p[1], q[0], q[1]) }
		const degree = math.Pi / 180
		cosine := math.Sin(a[0]*degree)*math.Sin(b[0]*degree) + math.Cos(a[0]*degree)*math.Cos(b[0]*degree)*math.Cos((b[1]-a[1])*degree)
		if math.Abs(cosine) < 0.9999 {
			require.InDelta(t, 6371*math.Acos(cosine), km(a, b), 1e-6)
		}
		require.InDelta(t, km(a, b), km(b, a), 1e-9, "there and back")
		require.LessOrEqual(t, km(a, c), km(a, b)+km(b, c)+1e-3, "no way is shorter than the shortest")
		require.LessOrEqual(t, km(a, b), math.Pi*6371+1e-6)
		require.Zero(t, km(a, a))
		require.InDelta(t, km(a, b), hotel.Kilometres(a[0], a[1]+360, b[0], b[1]), .01, "once around")
	})
	// Mean earth radius 6371 km: Berlin to San Francisco, and antipodes.
	require.InDelta(t, 9105, hotel.Kilometres(52.5200, 13.4050, 37.7749, -122.4194), 10)
	require.InDelta(t, math.Pi*6371, hotel.Kilometres(0, 0, 0, 180), 1e-6)
	require.InDelta(t, math.Pi*6371/2, hotel.Kilometres(90, 0, 0, 77), 1e-6)
}

func TestPasswordsAreSHA256(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]string{ // FIPS 180-4's examples
		"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"":    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq": "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
	} {
		require.Equal(t, want, hotel.Hash(password))
	}
	users := hotel.Users()
	require.Len(t, users, 500)
	require.Equal(t, hotel.User{Username: "hello", Password: "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}, users[0])
	names := map[string]bool{}
	for _, u := range users {
		require.False(t, names[u.Username])
		names[u.Username] = true
	}
}

// TestTheDataHaveVSwarmsShape: eighty hotels, six of them written out, their rooms and
// rates by what their numbers leave when divided.
func TestTheDataHaveVSwarmsShape(t *testing.T) {
	t.Parallel()
	require.Equal(t, 80, hotel.Number)
	rooms := map[int]int{}
	for n := 1; n <= hotel.Number; n++ {
		rooms[hotel.Rooms(n)]++
	}
	require.Equal(t, map[int]int{10: 1, 200: 29, 250: 25, 300: 25}, rooms)
	require.Equal(t, 300, hotel.Rooms(7))
	require.Equal(t, 250, hotel.Rooms(8))
	require.Equal(t, 200, hotel.Rooms(9))
	places, ranks, profiles := hotel.Places(), hotel.Ranks(), hotel.Profiles()
	for i, p := range places {
		require.Equal(t, p, ranks[i].Place)
		require.Equal(t, p.ID, profiles[i].GetId())
		require.InDelta(t, p.Lat, profiles[i].GetAddress().GetLat(), 1e-5)
		require.InDelta(t, p.Lon, profiles[i].GetAddress().GetLon(), 1e-5)
		if i >= 6 { // northeast in a straight line
			require.Greater(t, p.Lat, places[5].Lat)
			require.InDelta(t, (p.Lon+122.41)/(p.Lat-37.7835), 4./3, 1e-9)
		}
	}
	require.Len(t, hotel.Plans(), 3+24)
	for _, plan := range hotel.Plans() {
		require.Equal(t, plan.GetRoomType().GetBookableRate(), plan.GetRoomType().GetTotalRate())
		require.Greater(t, plan.GetRoomType().GetTotalRateInclusive(), plan.GetRoomType().GetTotalRate())
	}
	places[0].ID = "changed"
	require.Equal(t, "1", hotel.Places()[0].ID, "what is returned is the caller's own")
}
