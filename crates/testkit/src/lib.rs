//! For tests only: the scratch machine and its neighbours, images made on the spot.
