//! Which devices there are, and opening one.

use crate::transfer::device_error;
use burn_tensor::Device;
use dcgan_model::EngineError;

/// How a device is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// Vulkan, Metal or DirectX 12, by way of wgpu.
    Wgpu,
    /// NVIDIA's CUDA.
    Cuda,
}

/// What a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdapterKind {
    /// A card with memory of its own.
    Discrete,
    /// Part of the processor, with whose memory it works.
    Integrated,
    /// A part of a GPU that belongs to a virtual machine.
    Virtual,
    /// No GPU but a program that pretends to be one, such as Mesa's llvmpipe.
    Software,
    /// The driver does not say.
    Other,
}

/// A device that [`GpuDevice::open`] can open.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Adapter {
    /// How it is reached.
    pub api: Api,
    /// Its number among those of its API.
    pub index: usize,
    /// Its name, for people.
    pub name: String,
    /// What it is.
    pub kind: AdapterKind,
    /// Graphics API and driver, for people.
    pub driver: String,
}

/// Why a device cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{adapter} cannot be used: {problem}")]
pub struct DeviceError {
    /// The device.
    pub adapter: String,
    /// What its driver says.
    pub problem: String,
}

/// Returns all devices of the APIs that are built in, each with the number that is its own among those of its API.
pub fn adapters() -> Vec<Adapter> {
    #[allow(unused_mut, reason = "features decide")]
    let mut adapters = Vec::new();
    #[cfg(feature = "wgpu")]
    adapters.extend(wgpu::adapters());
    #[cfg(feature = "cuda")]
    adapters.extend(cuda::adapters());
    adapters
}

/// An open device. A copy is the same device.
#[derive(Debug, Clone)]
pub struct GpuDevice {
    adapter: Adapter,
    burn: Device,
    #[cfg(feature = "wgpu")]
    wgpu: Option<wgpu::Handle>,
}

impl GpuDevice {
    /// Opens a device of [`adapters`]. What was opened before is not opened again.
    ///
    /// # Errors
    /// If its driver refuses, or it is gone.
    pub fn open(adapter: &Adapter) -> Result<Self, DeviceError> {
        let opened = match adapter.api {
            #[cfg(feature = "wgpu")]
            Api::Wgpu => wgpu::open(adapter),
            #[cfg(feature = "cuda")]
            Api::Cuda => cuda::open(adapter),
            #[allow(unreachable_patterns, reason = "features decide")]
            _ => Err("it is not built in".to_owned()),
        };
        opened.map_err(|problem| DeviceError { adapter: adapter.name.clone(), problem: problem.replace('\n', " ") })
    }

    /// What it is.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Returns the device, for people: "GPU, NVIDIA GeForce RTX 3060, Vulkan".
    pub fn description(&self) -> String {
        let Adapter { name, driver, .. } = &self.adapter;
        format!("GPU, {name}, {driver}")
    }

    /// Bytes of the device's memory that this process holds, whether or not they are in use just now; `None` if nobody
    /// knows.
    pub fn reserved_memory(&self) -> Option<u64> {
        self.burn.memory_pool_usage().map(|usage| usage.bytes_reserved)
    }

    /// Burn's device.
    pub(crate) fn burn(&self) -> &Device {
        &self.burn
    }

    /// Starts what was given to the device so far, without waiting for it.
    pub(crate) fn flush(&self) -> Result<(), EngineError> {
        self.burn.flush().map_err(device_error)
    }

    /// So many bytes, or how many fewer can be had; they are given back at once.
    pub(crate) fn memory_up_to(&self, bytes: usize) -> usize {
        #[cfg(feature = "wgpu")]
        if let Some(handle) = &self.wgpu {
            return handle.memory_up_to(bytes);
        }
        #[cfg(feature = "cuda")]
        return cuda::memory_up_to(&self.burn, bytes);
        #[allow(unreachable_code, reason = "features decide")]
        bytes
    }
}

#[cfg(feature = "wgpu")]
mod wgpu {
    use super::{Adapter, AdapterKind, Api, GpuDevice};
    use burn_tensor::wgpu::wgpu::{
        Backend, BufferDescriptor, BufferUsages, Device, DeviceType, ErrorFilter, Instance, InstanceDescriptor,
    };
    use burn_tensor::wgpu::{WgpuBackend, wgpu::AdapterInfo};
    use burn_tensor::{Device as BurnDevice, DeviceKind};
    use std::sync::{Mutex, PoisonError};

    /// The device as wgpu has it, to ask for memory.
    #[derive(Debug, Clone)]
    pub(super) struct Handle(Device);

    /// APIs, best first. Of the first one that has a GPU all devices are taken: the same card through another API would
    /// be there twice. OpenGL is not among them: its drivers do not say what they are.
    const APIS: [(Backend, WgpuBackend); 3] = [
        (Backend::Metal, WgpuBackend::Metal),
        (Backend::Vulkan, WgpuBackend::Vulkan),
        (Backend::Dx12, WgpuBackend::Dx12),
    ];

    /// A runtime cannot be set up a second time.
    static OPENED: Mutex<Vec<GpuDevice>> = Mutex::new(Vec::new());

    pub(super) fn adapters() -> Vec<Adapter> {
        let Some((_, infos)) = found() else { return Vec::new() };
        let adapters = infos.into_iter().enumerate().map(|(index, info)| Adapter {
            api: Api::Wgpu,
            index,
            kind: kind(&info),
            driver: [format!("{:?}", info.backend), info.driver_info].join(", "),
            name: info.name,
        });
        adapters.collect()
    }

    /// Returns the API in use with its devices: the first with a GPU, else the first with anything.
    fn found() -> Option<(WgpuBackend, Vec<AdapterInfo>)> {
        let mut software = None;
        for (backend, burn) in APIS {
            let backends = backend.into();
            if !Instance::enabled_backend_features().contains(backends) {
                continue;
            }
            let instance =
                Instance::new(InstanceDescriptor { backends, ..InstanceDescriptor::new_without_display_handle() });
            let adapters = pollster::block_on(instance.enumerate_adapters(backends));
            let infos: Vec<AdapterInfo> = adapters.iter().map(|adapter| adapter.get_info()).collect();
            if infos.iter().any(|info| info.device_type != DeviceType::Cpu) {
                return Some((burn, infos));
            }
            if !infos.is_empty() && software.is_none() {
                software = Some((burn, infos));
            }
        }
        software
    }

    fn kind(info: &AdapterInfo) -> AdapterKind {
        match info.device_type {
            DeviceType::DiscreteGpu => AdapterKind::Discrete,
            DeviceType::IntegratedGpu => AdapterKind::Integrated,
            DeviceType::VirtualGpu => AdapterKind::Virtual,
            DeviceType::Cpu => AdapterKind::Software,
            DeviceType::Other => AdapterKind::Other,
        }
    }

    pub(super) fn open(adapter: &Adapter) -> Result<GpuDevice, String> {
        let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(device) = opened.iter().find(|device| device.adapter == *adapter) {
            return Ok(device.clone());
        }
        let (api, infos) = found().ok_or("there is no device any more")?;
        let kinds: Vec<AdapterKind> = infos.iter().map(kind).collect();
        let before = kinds.get(..adapter.index).ok_or("it is gone")?;
        // Burn counts the devices of each kind for themselves.
        let number = before.iter().filter(|kind| **kind == adapter.kind).count();
        let kind = match adapter.kind {
            AdapterKind::Discrete => DeviceKind::DiscreteGpu(number),
            AdapterKind::Integrated => DeviceKind::IntegratedGpu(number),
            AdapterKind::Virtual => DeviceKind::VirtualGpu(number),
            AdapterKind::Software if number > 0 => return Err("only the first software device can be".to_owned()),
            AdapterKind::Software => DeviceKind::Cpu,
            AdapterKind::Other => return Err("its driver does not say what it is".to_owned()),
        };
        let options = BurnDevice::wgpu_options().device_kind(kind).graphics_api(api);
        let (burn, setup) = options.init_with_setup().map_err(|error| error.to_string())?;
        let device = GpuDevice { adapter: adapter.clone(), burn, wgpu: Some(Handle(setup.device)) };
        opened.push(device.clone());
        Ok(device)
    }

    impl Handle {
        pub(super) fn memory_up_to(&self, bytes: usize) -> usize {
            let device = &self.0;
            let most = device.limits().max_buffer_size.min(256 << 20);
            let mut left = bytes as u64;
            // They are given back together, at the end.
            let mut buffers = Vec::new();
            while left > 0 {
                let size = left.min(most).next_multiple_of(4);
                let usage = BufferUsages::STORAGE;
                let scope = device.push_error_scope(ErrorFilter::OutOfMemory);
                buffers.push(device.create_buffer(&BufferDescriptor {
                    label: None,
                    size,
                    usage,
                    mapped_at_creation: false,
                }));
                if pollster::block_on(scope.pop()).is_some() {
                    break;
                }
                left = left.saturating_sub(size);
            }
            bytes - left as usize
        }
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use super::{Adapter, AdapterKind, Api, GpuDevice};
    use burn_tensor::{Device, DeviceType, Tensor};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    pub(super) fn adapters() -> Vec<Adapter> {
        let devices = Device::enumerate(DeviceType::Cuda).into_iter().enumerate();
        let adapters = devices.map(|(index, device)| {
            // Asking for the name opens the device, and Burn panics where a driver refuses.
            let name =
                catch_unwind(AssertUnwindSafe(|| device.identity())).ok().flatten().map(|identity| identity.name);
            Adapter {
                api: Api::Cuda,
                index,
                name: name.unwrap_or_else(|| format!("CUDA device {index}")),
                kind: AdapterKind::Discrete,
                driver: "CUDA".to_owned(),
            }
        });
        adapters.collect()
    }

    pub(super) fn open(adapter: &Adapter) -> Result<GpuDevice, String> {
        let devices = Device::enumerate(DeviceType::Cuda).into_iter().nth(adapter.index);
        let burn = devices.ok_or("it is gone")?;
        // The first kernel is where a missing compiler (NVRTC) shows.
        let works = catch_unwind(AssertUnwindSafe(|| {
            Tensor::<1>::ones([1], &burn).add_scalar(1.0).try_into_vec_as::<f32>().map_err(|error| format!("{error:?}"))
        }));
        match works {
            Ok(Ok(_)) => Ok(GpuDevice {
                adapter: adapter.clone(),
                burn,
                #[cfg(feature = "wgpu")]
                wgpu: None,
            }),
            Ok(Err(problem)) => Err(problem),
            Err(_) => Err("its driver or NVIDIA's runtime compiler (NVRTC, of the CUDA toolkit) is missing".to_owned()),
        }
    }

    /// Pieces as large as Burn's own pages may be.
    const PIECE: usize = 64 << 20;

    pub(super) fn memory_up_to(device: &Device, bytes: usize) -> usize {
        let mut pieces: Vec<Tensor<1>> = Vec::new();
        let had = catch_unwind(AssertUnwindSafe(|| {
            while pieces.len() < bytes.div_ceil(PIECE) && device.sync().is_ok() {
                pieces.push(Tensor::empty([PIECE / size_of::<f32>()], device));
            }
            // The last piece may be the one that could not be had.
            if device.sync().is_ok() { bytes } else { pieces.len().saturating_sub(1) * PIECE }
        }));
        let had = had.unwrap_or_else(|_| pieces.len() * PIECE);
        drop(pieces);
        device.memory_cleanup();
        had.min(bytes)
    }
}
