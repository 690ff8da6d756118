//! Values into ONNX Runtime's tensors and out of them.

use std::borrow::Cow;

use half::f16;
use ort::value::{DynTensor, Tensor, TensorElementType, ValueRef, ValueType};

use crate::{
    error::{Error, Result},
    fault,
};

/// Values as a tensor of a type.
pub fn tensor(values: &[f64], ty: TensorElementType, shape: &[usize]) -> Result<DynTensor> {
    let shape = shape.to_vec();
    let made = match ty {
        TensorElementType::Float32 => {
            Tensor::from_array((shape, values.iter().map(|&value| value as f32).collect::<Vec<_>>()))
                .map(Tensor::upcast)
        }
        TensorElementType::Int64 => {
            Tensor::from_array((shape, values.iter().map(|&value| value as i64).collect::<Vec<_>>()))
                .map(Tensor::upcast)
        }
        TensorElementType::Int32 => {
            Tensor::from_array((shape, values.iter().map(|&value| value as i32).collect::<Vec<_>>()))
                .map(Tensor::upcast)
        }
        other => return Err(fault!(BadRequest, "A constant of the type {other} is not fed.")),
    };
    made.map_err(|error| Error::internal("A constant of the model could not be set.", error))
}

/// An output's shape and its values as f32: class numbers and indices are small enough to be exact.
pub fn read<'a>(value: &'a ValueRef<'_>) -> Result<(&'a [i64], Cow<'a, [f32]>)> {
    let failed = |error: ort::Error| Error::internal("An output of the model could not be read.", error);
    let ValueType::Tensor { ty, .. } = value.dtype() else {
        return Err(fault!(BadRequest, "An output of the model is no tensor."));
    };
    macro_rules! widened {
        ($type:ty, $widen:expr) => {{
            let (shape, values) = value.try_extract_tensor::<$type>().map_err(failed)?;
            (&**shape, Cow::Owned(values.iter().map($widen).collect()))
        }};
    }
    Ok(match ty {
        TensorElementType::Float32 => {
            let (shape, values) = value.try_extract_tensor::<f32>().map_err(failed)?;
            (&**shape, Cow::Borrowed(values))
        }
        TensorElementType::Float16 => widened!(f16, |value| value.to_f32()),
        TensorElementType::Float64 => widened!(f64, |&value| value as f32),
        TensorElementType::Int64 => widened!(i64, |&value| value as f32),
        TensorElementType::Int32 => widened!(i32, |&value| value as f32),
        TensorElementType::Uint8 => widened!(u8, |&value| f32::from(value)),
        TensorElementType::Int8 => widened!(i8, |&value| f32::from(value)),
        other => return Err(fault!(BadRequest, "An output of the model holds {other}, which is not read.")),
    })
}
