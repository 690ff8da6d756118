//! Registering execution providers one by one.

use ort::{
    ep::{self, ArbitrarilyConfigurableExecutionProvider},
    session::builder::SessionBuilder,
};

use super::Setup;
use crate::config::{Precision, Provider};

/// Registers the setup's provider.
///
/// # Errors
/// ONNX Runtime's own words for why it does not work here.
pub fn register(setup: &Setup, max_shape: &str, builder: &mut SessionBuilder) -> Result<(), String> {
    let dispatch = match setup.provider {
        // The CPU provider is always there, as the last resort of every session.
        Provider::Cpu | Provider::Auto => return Ok(()),
        Provider::OpenVino => ep::OpenVINO::default()
            .with_device_type("CPU")
            .with_arbitrary_config("load_config", openvino_config(setup))
            .build(),
        // TF32 would silently give f32 the mantissa of f16.
        Provider::Cuda => ep::CUDA::default()
            .with_tf32(false)
            .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
            .build(),
        Provider::TensorRt => ep::TensorRT::default()
            .with_fp16(setup.precision == Precision::F16)
            .with_bf16(setup.precision == Precision::Bf16)
            .with_profile_min_shapes(max_shape.replacen(&format!(":{}x", setup.batch), ":1x", 1))
            .with_profile_opt_shapes(max_shape)
            .with_profile_max_shapes(max_shape)
            .build(),
    };
    dispatch.register(builder).map_err(|error| error.to_string())
}

/// The value of OpenVINO's `load_config` is the JSON text itself. Without `ENABLE_CPU_PINNING: NO` every session is
/// pinned to the same cores; without a precision OpenVINO takes bf16 by itself where the CPU has it.
fn openvino_config(setup: &Setup) -> String {
    serde_json::json!({ "CPU": {
        "INFERENCE_PRECISION_HINT": setup.precision.name(),
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": setup.threads.to_string(),
        "ENABLE_CPU_PINNING": "NO",
    }})
    .to_string()
}

/// Does this CPU multiply bf16 by itself? (AMX comes with AVX-512 BF16.)
pub fn has_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// Does this CPU multiply f16 by itself?
pub fn has_f16() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx512fp16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}
