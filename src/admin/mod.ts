/** The AdminService: what the CRI lacks, for the `skiff` command line. One file per call. */
import type { AdminServiceDefinition } from "../../proto/gen/skiff/v1/admin.ts";
import type { Handlers } from "../rpc/types.ts";
import type { AdminDependencies } from "./dependencies.ts";
import { checkImages } from "./check_images.ts";
import { exportImages } from "./export_images.ts";
import { getConfig } from "./get_config.ts";
import { importImage } from "./import_image.ts";
import { listJobs } from "./list_jobs.ts";
import { listPulls } from "./list_pulls.ts";
import { pruneImages } from "./prune_images.ts";
import { pullImageProgress } from "./pull_image_progress.ts";
import { resolveImage } from "./resolve_image.ts";
import { verifyImage } from "./verify_image.ts";

export type { AdminDependencies } from "./dependencies.ts";

export function adminService(dependencies: AdminDependencies): Handlers<AdminServiceDefinition> {
  return {
    importImage: importImage(dependencies),
    exportImages: exportImages(dependencies),
    pruneImages: pruneImages(dependencies),
    checkImages: checkImages(dependencies),
    pullImageProgress: pullImageProgress(dependencies),
    verifyImage: verifyImage(dependencies),
    listPulls: listPulls(dependencies),
    listJobs: listJobs(dependencies),
    getConfig: getConfig(dependencies),
    resolveImage: resolveImage(dependencies),
  };
}
