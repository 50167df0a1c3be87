#pragma once

#include "admin/command.h"

/* The commands, one file a family: src/admin/cmd_*.c. table.c joins them with the words that lead to them. */
int cmd_show_ctl(struct command_run *r, struct err *e);
int cmd_show_itl(struct command_run *r, struct err *e);
int cmd_show_status(struct command_run *r, struct err *e);
int cmd_show_audit(struct command_run *r, struct err *e);
int cmd_show_tech_version(struct command_run *r, struct err *e);

int cmd_account_show(struct command_run *r, struct err *e);
int cmd_account_password_ask(struct command_run *r, struct err *e);
int cmd_account_add(struct command_run *r, struct err *e);
int cmd_account_password(struct command_run *r, struct err *e);
int cmd_account_delete(struct command_run *r, struct err *e);

int cmd_cert_list_own(struct command_run *r, struct err *e);
int cmd_cert_list_trust(struct command_run *r, struct err *e);
int cmd_cert_own(struct command_run *r, struct err *e);
int cmd_cert_trust(struct command_run *r, struct err *e);
int cmd_cert_monitor(struct command_run *r, struct err *e);
int cmd_cert_monitor_test(struct command_run *r, struct err *e);
int cmd_cert_regen_ask(struct command_run *r, struct err *e);
int cmd_cert_regen(struct command_run *r, struct err *e);
int cmd_cert_import_own_ask(struct command_run *r, struct err *e);
int cmd_cert_import_own(struct command_run *r, struct err *e);
int cmd_cert_import_trust(struct command_run *r, struct err *e);
int cmd_cert_delete_ask(struct command_run *r, struct err *e);
int cmd_cert_delete(struct command_run *r, struct err *e);

int cmd_cert_bulk_export(struct command_run *r, struct err *e);
int cmd_cert_bulk_consolidate(struct command_run *r, struct err *e);
int cmd_cert_bulk_import(struct command_run *r, struct err *e);
int cmd_web_security_ask(struct command_run *r, struct err *e);
int cmd_web_security(struct command_run *r, struct err *e);

int cmd_csr_list(struct command_run *r, struct err *e);
int cmd_csr_own(struct command_run *r, struct err *e);
int cmd_csr_gen_ask(struct command_run *r, struct err *e);
int cmd_csr_gen(struct command_run *r, struct err *e);

int cmd_ctl_mixed_ask(struct command_run *r, struct err *e);
int cmd_ctl_mixed(struct command_run *r, struct err *e);
int cmd_ctl_non_secure_ask(struct command_run *r, struct err *e);
int cmd_ctl_non_secure(struct command_run *r, struct err *e);
int cmd_ctl_update_ask(struct command_run *r, struct err *e);
int cmd_ctl_update(struct command_run *r, struct err *e);
int cmd_ctl_reset_ask(struct command_run *r, struct err *e);
int cmd_ctl_reset(struct command_run *r, struct err *e);

int cmd_itl_local_ask(struct command_run *r, struct err *e);
int cmd_itl_local(struct command_run *r, struct err *e);
int cmd_itl_remote_ask(struct command_run *r, struct err *e);
int cmd_itl_remote(struct command_run *r, struct err *e);

int cmd_ipsec_restart(struct command_run *r, struct err *e);
int cmd_service_list(struct command_run *r, struct err *e);
int cmd_service_ask(struct command_run *r, struct err *e);
int cmd_service_start(struct command_run *r, struct err *e);
int cmd_service_stop(struct command_run *r, struct err *e);
int cmd_service_restart(struct command_run *r, struct err *e);
int cmd_service_activate(struct command_run *r, struct err *e);
int cmd_service_deactivate(struct command_run *r, struct err *e);

int cmd_file_list_tftp(struct command_run *r, struct err *e);
int cmd_file_list_activelog(struct command_run *r, struct err *e);
int cmd_file_view_tftp(struct command_run *r, struct err *e);
int cmd_file_view_activelog(struct command_run *r, struct err *e);
int cmd_file_get_tftp(struct command_run *r, struct err *e);
int cmd_file_get_activelog(struct command_run *r, struct err *e);
int cmd_file_delete_tftp_ask(struct command_run *r, struct err *e);
int cmd_file_delete_tftp(struct command_run *r, struct err *e);
int cmd_file_delete_activelog_ask(struct command_run *r, struct err *e);
int cmd_file_delete_activelog(struct command_run *r, struct err *e);

int cmd_capf_csr_list(struct command_run *r, struct err *e);
int cmd_capf_csr_dump(struct command_run *r, struct err *e);
int cmd_capf_csr_delete_ask(struct command_run *r, struct err *e);
int cmd_capf_csr_delete(struct command_run *r, struct err *e);
int cmd_capf_cert_import(struct command_run *r, struct err *e);
int cmd_capf_stale_list(struct command_run *r, struct err *e);
int cmd_capf_stale_delete(struct command_run *r, struct err *e);
int cmd_capf_keep_alive(struct command_run *r, struct err *e);
int cmd_capf_lockout_list(struct command_run *r, struct err *e);
int cmd_capf_lockout_delete(struct command_run *r, struct err *e);
int cmd_capf_mic_list(struct command_run *r, struct err *e);
int cmd_capf_mic_allow(struct command_run *r, struct err *e);
int cmd_capf_mic_withdraw(struct command_run *r, struct err *e);

int cmd_show_cluster(struct command_run *r, struct err *e);
int cmd_node_add(struct command_run *r, struct err *e);
int cmd_node_certificate(struct command_run *r, struct err *e);
int cmd_node_delete_ask(struct command_run *r, struct err *e);
int cmd_node_delete(struct command_run *r, struct err *e);

int cmd_run_sql(struct command_run *r, struct err *e);

int cmd_show_parameter(struct command_run *r, struct err *e);
int cmd_set_parameter_ask(struct command_run *r, struct err *e);
int cmd_set_parameter(struct command_run *r, struct err *e);

int cmd_group_list(struct command_run *r, struct err *e);
int cmd_group_set(struct command_run *r, struct err *e);
int cmd_group_delete_ask(struct command_run *r, struct err *e);
int cmd_group_delete(struct command_run *r, struct err *e);

/* cmd_phones_name: the first argument, a device, as its record is called or would be. */
const char *cmd_phones_name(struct command_run *r, char name[STORE_NAME_SIZE]);
int cmd_phones_add(struct command_run *r, struct err *e);
int cmd_phones_set(struct command_run *r, struct err *e);
int cmd_phones_delete_ask(struct command_run *r, struct err *e);
int cmd_phones_delete(struct command_run *r, struct err *e);
int cmd_phones_string_ask(struct command_run *r, struct err *e);
int cmd_phones_string(struct command_run *r, struct err *e);
int cmd_reset_ask(struct command_run *r, struct err *e);
int cmd_reset(struct command_run *r, struct err *e);
int cmd_reset_follow(struct command_run *r, bool cancel, struct err *e);
int cmd_job_show(struct command_run *r, struct err *e);
int cmd_job_stop(struct command_run *r, struct err *e);
int cmd_phones_list(struct command_run *r, struct err *e);
int cmd_phones_list_follow(struct command_run *r, bool cancel, struct err *e);
int cmd_phones_show(struct command_run *r, struct err *e);
int cmd_phones_export(struct command_run *r, struct err *e);
int cmd_phones_import(struct command_run *r, struct err *e);
int cmd_phones_import_follow(struct command_run *r, bool cancel, struct err *e);
