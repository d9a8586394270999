package geo

// What tests from outside, which may see the rooms above this one, draw.
var (
	DrawWorld  = drawWorld
	DrawPrefix = drawPrefix
	DrawAddr   = drawAddr
)
