// Command image-rotate serves the image benchmark: a JPEG is decoded, turned by 90
// degrees counter-clockwise, and encoded again.
package main

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"hash/crc32"
	"image"
	"image/draw"
	"image/jpeg"
	"path"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/imagerotatepb"
)

//go:embed images/*.jpg
var images embed.FS

const (
	usual   = "default.jpg" // stands for an empty request
	quality = 95            // of vSwarm's imaging library
)

func main() {
	serve.Main(50051, serve.Service{Name: "image_rotate.ImageRotate", Methods: []grpc.MethodDesc{serve.Unary("RotateImage", rotateImage)}})
}

func rotateImage(_ context.Context, q *pb.SendImage) (*pb.GetRotatedImage, error) {
	name := q.GetName()
	if name == "" {
		name = usual
	}
	data, err := images.ReadFile(path.Join("images", path.Base(name)))
	if err != nil {
		return nil, status.Errorf(codes.NotFound, "no image %q", name)
	}
	source, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decode %s: %w", name, err)
	}
	turned := rotate(source)
	var encoded bytes.Buffer
	if err := jpeg.Encode(&encoded, turned, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return &pb.GetRotatedImage{Message: fmt.Sprintf(
		"fn: ImageRotate | image: %s | return msg: go.image_rotate.%s | size: %dx%d crc32: %08x bytes: %d | runtime: Go",
		name, name, turned.Rect.Dx(), turned.Rect.Dy(), crc32.ChecksumIEEE(turned.Pix), encoded.Len())}, nil
}

// rotate turns by 90 degrees counter-clockwise: the right edge becomes the top.
func rotate(source image.Image) *image.RGBA {
	b := source.Bounds()
	flat := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(flat, flat.Rect, source, b.Min, draw.Src)
	turned := image.NewRGBA(image.Rect(0, 0, b.Dy(), b.Dx()))
	for y := range b.Dx() {
		row := turned.Pix[y*turned.Stride : (y+1)*turned.Stride]
		from := (b.Dx() - 1 - y) * 4
		for x := 0; x < len(row); x += 4 {
			copy(row[x:x+4], flat.Pix[from:from+4])
			from += flat.Stride
		}
	}
	return turned
}
