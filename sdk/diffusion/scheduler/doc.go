// Package scheduler walks a sample from noise to picture in the latent space of a diffusion model, with the arithmetic of
// Hugging Face diffusers v0.40.0, src/diffusers/schedulers/scheduling_{ddim,ddpm,euler_discrete,euler_ancestral_discrete,
// dpmsolver_multistep,lcm,unclip}.py.
//
// The papers behind the algorithms:
//   - ddpm: Ho, Jain, Abbeel, Denoising Diffusion Probabilistic Models, arXiv:2006.11239
//   - learned variances: Nichol, Dhariwal, Improved Denoising Diffusion Probabilistic Models, arXiv:2102.09672
//   - unCLIP priors: Ramesh et al., Hierarchical Text-Conditional Image Generation with CLIP Latents, arXiv:2204.06125
//   - ddim: Song, Meng, Ermon, Denoising Diffusion Implicit Models, arXiv:2010.02502
//   - euler and the sigmas of Karras: Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models,
//     arXiv:2206.00364
//   - euler_ancestral: Crowson, k-diffusion, sample_euler_ancestral
//   - dpmpp_2m, dpmpp_2m_sde: Lu et al., DPM-Solver++, arXiv:2211.01095
//   - lcm: Luo et al., Latent Consistency Models, arXiv:2310.04378
//   - thresholding: Saharia et al., Photorealistic Text-to-Image Diffusion Models, arXiv:2205.11487
//   - v_prediction: Salimans, Ho, Progressive Distillation, arXiv:2202.00512
//   - rescale_betas_zero_snr: Lin et al., Common Diffusion Noise Schedules and Sample Steps Are Flawed, arXiv:2305.08891
//
// Notation: abar_t is the product of 1-beta up to training timestep t, rounded to float32 as diffusers holds it; a noisy
// sample is alpha*x0 + sigma*noise with alpha = sqrt(abar), sigma = sqrt(1-abar). The Euler family divides by alpha: there a
// noisy sample is x0 + sigma*noise with sigma = sqrt((1-abar)/abar). Samples are float32, coefficients float64.
package scheduler
