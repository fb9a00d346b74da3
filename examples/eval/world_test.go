package main

import (
	"math"
	"testing"

	"github.com/vision19/vision/sdk/imaging"
)

// TestRender_has_the_geometry_of_the_training_pictures holds area and centre of gravity, in px, of world.py's shapes of radius 30.2 at (60.3, 66.1).
func TestRender_has_the_geometry_of_the_training_pictures(t *testing.T) {
	for shape, want := range map[string][3]float64{
		"circle": {2864.8, 60.29, 66.10}, "square": {2831.4, 60.28, 66.09}, "triangle": {1582.4, 60.30, 72.31}, "star": {1326.1, 60.30, 68.53},
		"ring": {2204.1, 60.29, 66.10}, "heart": {2008.8, 60.29, 60.95}, "cross": {2055.4, 60.27, 66.10}, "diamond": {2209.0, 60.29, 66.11},
	} {
		picture := scene{shape: shape, x: 60.3, y: 66.1, r: 30.2, rgb: rgb{255, 255, 255}}.render(world)
		area, x, y := 0.0, 0.0, 0.0
		for i := range world * world {
			a := float64(picture.Pix[i*3]) / 255
			area, x, y = area+a, x+a*(float64(i%world)+0.5), y+a*(float64(i/world)+0.5)
		}
		x, y = x/area, y/area
		if math.Abs(area/want[0]-1) > 0.005 || math.Abs(x-want[1]) > 0.05 || math.Abs(y-want[2]) > 0.05 {
			t.Errorf("%s: area %.1f at %.2f, %.2f, want %v", shape, area, x, y, want)
		}
	}
}

func TestRender_is_the_same_scene_at_every_size(t *testing.T) {
	for i, shape := range shapes {
		s := drawScene(randomness("sizes", i), shape)
		for _, side := range []int{64, 256} {
			if db := psnr(s.render(side).Resize(world, world, imaging.Bicubic), s.render(world), nil); db < 26 {
				t.Errorf("%s at %d px: %.1f dB", shape, side, db)
			}
		}
	}
}

func TestScenes_are_within_the_picture_and_never_a_black_star(t *testing.T) {
	for i := range 2000 {
		r := randomness("scenes", i)
		s := drawScene(r, shapes[i%len(shapes)])
		if again := drawScene(randomness("scenes", i), s.shape); again != s {
			t.Fatalf("case %d is %+v and then %+v", i, s, again)
		}
		other := s
		other.recolour(r)
		for _, s := range []scene{s, other} {
			if s.colour == s.ground || s.shape == "star" && s.colour == "black" || min(s.x, s.y)-s.r < 3 || max(s.x, s.y)+s.r > world-3 {
				t.Fatalf("%+v", s)
			}
		}
		if other.colour == s.colour {
			t.Fatalf("%+v got its old colour", s)
		}
	}
}

func TestBox_covers_the_object_and_its_edge(t *testing.T) {
	for i := range 200 {
		s := drawScene(randomness("box", i), shapes[i%len(shapes)])
		mask := s.box(world, 1)
		for k, d := range s.distances(world) {
			if d < 0.5 && mask.Pix[k] != 255 {
				t.Fatalf("%+v: pixel %d of the object is not masked", s, k)
			}
		}
	}
}

func TestOutline_is_a_line_on_the_edge(t *testing.T) {
	for i, shape := range shapes {
		s := drawScene(randomness("outline", i), shape)
		hint := s.outline(world, 2)
		for k, d := range s.distances(world) {
			if v := hint.Pix[k*3]; math.Abs(d) < 0.5 && v != 255 || math.Abs(d) > 1.5 && v != 0 {
				t.Fatalf("%s: %d at %.2f px from the edge", shape, v, d)
			}
		}
	}
}

func TestCaptions_are_held_out_and_name_the_scene(t *testing.T) {
	seen := map[string]bool{}
	for i := range 300 {
		r := randomness("captions", i)
		s := drawScene(r, shapes[i%len(shapes)])
		c := s.caption(r)
		if !heldOut(c) {
			t.Errorf("%q was trained on", c)
		}
		seen[c] = true
	}
	if len(seen) < 290 {
		t.Errorf("only %d different captions", len(seen))
	}
	small := scene{shape: "star", colour: "orange", ground: "gray", size: "small", position: "top left"}
	for i := range 200 {
		words := small.words(randomness("words", i))
		for _, any := range [][]string{{"orange star"}, {"small", "little", "tiny"}, {"gray", "grey"}, {"top left", "upper left"}} {
			if !containsAny(words, any) {
				t.Errorf("%q lacks %q", words, any)
			}
		}
	}
}
