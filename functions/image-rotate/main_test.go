package main

import (
	"context"
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "microcosm/functions/proto/imagerotatepb"
)

func TestRotate(t *testing.T) {
	t.Parallel()
	// 1 2 3      3 6
	// 4 5 6  to  2 5
	//            1 4
	// The image begins at (10, 20): a place of its own is no part of it.
	source := image.NewGray(image.Rect(10, 20, 13, 22))
	for i := range 6 {
		source.SetGray(10+i%3, 20+i/3, color.Gray{Y: uint8(i + 1)})
	}
	turned := rotate(source)
	require.Equal(t, image.Rect(0, 0, 2, 3), turned.Rect)
	var got []uint8
	for y := range 3 {
		for x := range 2 {
			got = append(got, turned.RGBAAt(x, y).G)
		}
	}
	require.Equal(t, []uint8{3, 6, 2, 5, 1, 4}, got)
}

func TestRotateImage(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "default.jpg", "small-1.jpg"} {
		_, err := rotateImage(context.Background(), &pb.SendImage{Name: name})
		require.NoError(t, err)
	}
	for _, name := range []string{"none.jpg", "../main.go", "."} {
		_, err := rotateImage(context.Background(), &pb.SendImage{Name: name})
		require.Equal(t, codes.NotFound, status.Code(err), name)
	}
}
