//! What the model says, in the words of the statistics catalogue: rows of `show stat`, values of `show info`, and the
//! sampling that rates and maxima need.

pub mod info;
pub mod rows;
pub mod sampler;
