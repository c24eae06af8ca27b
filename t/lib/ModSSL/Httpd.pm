package ModSSL::Httpd;

=head1 NAME

ModSSL::Httpd - a small httpd of a test's own

=head1 SYNOPSIS

    use ModSSL::Httpd qw(ours_only);
    my $h = ModSSL::Httpd->new(
        modules => [qw(http2 proxy proxy_http)],    # besides the default set
        listen  => ['https', 'plain'],              # default ['https']
        config  => <<'CONF');
    <VirtualHost 127.0.0.1:@port:https@>
        ServerName rsa.test
        SSLEngine on
        SSLCertificateFile    @pki@/rsa.crt
        SSLCertificateKeyFile @pki@/rsa.key
    </VirtualHost>
    CONF
    $h->start or die $h->why;
    my $port = $h->port('https');

=head1 OPTIONS OF new

  name       for the directory's name (default: the test's file name)
  config     appended to the generated httpd.conf; @port:NAME@ @root@ @pki@ @htdocs@ @so@ are replaced
  modules    more modules, without "mod_" (those already loaded are left alone); [] by default
  without    modules of the default set to leave out; 'ssl' leaves mod_ssl out
  listen     names of ports; each is a free port of 127.0.0.1
  mpm        event (default, or $MODSSL_MPM), worker, prefork
  so         the mod_ssl.so to load (default so_path(); stock_so() is the distribution's)
  address    that the ports are on (default 127.0.0.1)     ports  { name => number } instead of free ones
  loglevel   default "info"
  env        { NAME => value } for the server's environment
  stdin      text for the server's standard input (pass phrase dialogs); default /dev/null
  tty        text typed at the server's controlling terminal (pass phrase dialogs), on a pty made by script(1)
  minimal    1: no LoadModule but mpm, authz_core, unixd... (mpm, authz_core, ssl)

The server root holds conf/ logs/ run/ htdocs/ (with index.html, "It works\n") and cgi/, mapped to /cgi/,
with cgi/env (prints NAME=VALUE lines) and cgi/echo (prints the request body).

=head1 METHODS

  port(name) root htdocs file('htdocs/x', $text) cgi('name', $script)  (both return the path)
  start            true when every port answers; otherwise false, with why() as the reason
  why              stderr, error log and exit status of the server that did not start
  start_fails      text of why() when the server refuses to start; undef (and stopped) when it starts
  configtest       (exit code, output) of httpd -t
  run(@args)       (exit code, output) of httpd with these arguments (-S, -L, -M, -D...)
  stop             graceful end, then by force; true when the server ended by itself
  graceful restart waits until the new generation is up; false when the server died or did not come back
  config($text)    replaces the configuration text (before start, restart or graceful)
  errorlog accesslog    text so far          log_mark    what errorlog gives from now on starts here
  errorlog_like(qr//, wait => seconds)       waits (default 5) for a match since the mark; returns the match
  calls            what programs of the test wrote to run/calls; the file is gone then
  pid pids rss alive    main process; all processes of the server; their resident kB; main process lives
  cpu_ticks        CPU time of all processes so far, in clock ticks

=head1 FUNCTIONS

  is_stock()           the module under test is the distribution's
  ours_only($reason)   skips the whole test file under the stock module
  have_module($name)   the .so is installed
  openssl_version()    "3.0.22"
  httpd_version()      "2.4.71"
  free_ports($n)       ports of 127.0.0.1 that nothing listens on
  so_path() stock_so() is_asan() is_valgrind() mpm()
  wait_for($seconds, sub {...})   polls until the code returns true; returns that or false. The seconds are what is
                                  ample on a quiet machine: a slower one is given up to a minute more

=cut

use strict;
use warnings;
use Exporter 'import';
use Cwd ();
use File::Basename qw(basename dirname);
use File::Path qw(make_path remove_tree);
use File::Spec;
use File::Temp ();
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use List::Util qw(min);
use Scalar::Util qw(weaken);
use Time::HiRes qw(sleep time);
use ModSSL::PKI qw(pki_dir slurp spew);

our @EXPORT_OK = qw(is_stock ours_only not_yet have_module openssl_version httpd_version free_ports so_path stock_so
                    is_asan is_valgrind mpm wait_for);

my $MODULES   = $ENV{MODSSL_MODULES} || '/usr/lib/apache2/modules';
my $STOCK_SO  = "$MODULES/mod_ssl.so";
my $LIFETIME  = $ENV{MODSSL_LIFETIME} || 600;    # seconds; no server outlives this, whatever happens to its test
my $TOP       = dirname(dirname(dirname(dirname(File::Spec->rel2abs(__FILE__)))));

my @DEFAULT_MODULES = qw(authz_core authn_core authz_host authn_file authz_user authz_groupfile auth_basic
    access_compat dir mime alias setenvif env headers rewrite include filter socache_shmcb cgid status expires);

# --- what is under test ---------------------------------------------------------------------------

sub httpd_binary { return $ENV{MODSSL_HTTPD} || '/usr/sbin/apache2' }
sub is_asan      { return $ENV{MODSSL_ASAN} ? 1 : 0 }
sub is_valgrind  { return $ENV{MODSSL_VALGRIND} ? 1 : 0 }
sub stock_so     { return $STOCK_SO }
sub mpm          { return $ENV{MODSSL_MPM} || 'event' }

sub so_path {
    return $ENV{MODSSL_SO} if $ENV{MODSSL_SO};
    return $STOCK_SO if $ENV{MODSSL_STOCK};
    return "$TOP/mod_ssl.so";
}

sub is_stock {
    return 1 if $ENV{MODSSL_STOCK};
    my @a = stat so_path();
    my @b = stat $STOCK_SO;
    return @a && @b && $a[0] == $b[0] && $a[1] == $b[1] ? 1 : 0;
}

sub ours_only {
    my ($reason) = @_;
    return if !is_stock();
    require Test::More;
    Test::More::plan(skip_all => "ours only: $reason");
}

# Of what the stock module does and ours does not yet: `local $TODO = not_yet("client certificates per directory");`
sub not_yet { return is_stock() ? undef : "not yet: $_[0]" }

sub have_module { return -e "$MODULES/mod_$_[0].so" }

sub openssl_version {
    my ($version) = `openssl version` =~ /^OpenSSL (\S+)/;
    return $version;
}

sub httpd_version {
    my ($version) = `@{[ httpd_binary() ]} -v 2>&1` =~ m{Apache/([\d.]+)};
    return $version;
}

# Outside the range from which the kernel takes ports for clients: a port that is free now must not be
# some connection's own port when httpd binds it, or binds it again after a restart.
sub free_ports {
    my ($count) = @_;
    my (@ports, @held);
    for (1 .. 2000) {
        last if @ports == $count;
        my $port = 10000 + int rand 22000;
        my $probe = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1) or next;
        push @held,  $probe;
        push @ports, $port;
    }
    @ports == $count or die "no free ports\n";
    return @ports;
}

# Waits that end early cost nothing, so all may be as long as a machine needs that is several times slower, or busy.
sub wait_for {
    my ($seconds, $code) = @_;
    my $end = time + $seconds + min(4 * $seconds, 60);
    while (1) {
        my $value = $code->();
        return $value if $value;
        return 0 if time > $end;
        sleep 0.05;
    }
}

# A tool that slows everything must not turn a right answer into a time-out.
sub patience { return (is_valgrind() ? 20 : is_asan() ? 4 : 1) * $_[0] }

# --- making a server root -------------------------------------------------------------------------

my %alive;    # servers that END must stop

# By default these end perl without END.
$SIG{$_} ||= sub { exit 1 } for qw(INT TERM HUP);

sub new {
    my ($class, %o) = @_;
    my $name = $o{name} || basename($0);
    $name =~ s/\.t$//;
    $name =~ s/[^\w.-]+/_/g;
    my $base = $ENV{MODSSL_WORK} || '/tmp';
    my $root = File::Temp::tempdir("modssl-$name-XXXXXX", DIR => $base, CLEANUP => 0);
    my $self = bless {
        modules => [], without => [], listen => ['https'], mpm => mpm(), loglevel => 'info', config => '',
        env => {}, so => so_path(), address => '127.0.0.1', %o, name => $name, root => $root, owner => $$, mark => 0,
    }, $class;

    chmod 0755, $root;
    make_path(map { "$root/$_" } qw(conf logs run htdocs cgi));
    $self->{user} = $> == 0 ? 'www-data' : undef;
    if ($self->{user}) {
        my ($uid, $gid) = (getpwnam $self->{user})[2, 3];
        chown $uid, $gid, "$root/run";
    }
    my @ports = free_ports(scalar @{ $self->{listen} });
    $self->{ports} = { (map { $_ => shift @ports } @{ $self->{listen} }), %{ $o{ports} || {} } };

    $self->file('conf/mime.types', "text/html html\ntext/plain txt\nimage/png png\napplication/json json\n");
    $self->file('htdocs/index.html', "It works\n");
    $self->cgi('env', "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv\n");
    # reads all before it writes: mod_cgid sends the whole body before it takes any output
    $self->cgi('echo', "#!/usr/bin/perl\nlocal \$/;\nmy \$body = <STDIN>;\nprint qq(Content-Type: text/plain\\n\\n), \$body;\n");
    $self->config($self->{config});
    return $self;
}

sub root   { return $_[0]{root} }
sub htdocs { return "$_[0]{root}/htdocs" }

sub port {
    my ($self, $name) = @_;
    $name = $self->{listen}[0] if !defined $name;
    return $self->{ports}{$name} || die "no port named $name\n";
}

sub file {
    my ($self, $name, $text) = @_;
    my $path = "$self->{root}/$name";
    make_path(dirname($path));
    spew($path, $text);
    chmod 0644, $path;
    return $path;
}

sub cgi {
    my ($self, $name, $text) = @_;
    my $path = $self->file("cgi/$name", $text);
    chmod 0755, $path;
    return $path;
}

sub config {
    my ($self, $text) = @_;
    my $root = $self->{root};
    my %value = (root => $root, pki => pki_dir(), htdocs => "$root/htdocs", so => $self->{so});
    $text =~ s/\@(root|pki|htdocs|so)\@/$value{$1}/g;
    $text =~ s/\@port:(\w+)\@/$self->port($1)/ge;
    spew("$root/conf/httpd.conf", $self->preamble, $text);
    return;
}

# The modules to load: pairs of name and file.
sub module_list {
    my (%o) = @_;
    my %skip = map { $_ => 1 } @{ $o{without} || [] };
    my @wanted = ('mpm_' . ($o{mpm} || mpm()), $o{minimal} ? 'authz_core' : @DEFAULT_MODULES, @{ $o{modules} || [] });
    my %seen = (ssl => 1, %skip);
    my @list = map { ["${_}_module", "$MODULES/mod_$_.so"] } grep { !$seen{$_}++ } @wanted;
    push @list, ['ssl_module', $o{so} || so_path()] if !$skip{ssl};
    return @list;
}

sub preamble {
    my ($self) = @_;
    my $root = $self->{root};
    my @load = module_list(%$self);
    my $load = join '', map { "LoadModule $_->[0] $_->[1]\n" } @load;
    my %has = map { $_->[0] => 1 } @load;
    my $user = $self->{user} ? "User $self->{user}\nGroup $self->{user}\n" : '';
    my $listen = join '', map { "Listen $self->{address}:$self->{ports}{$_}\n" } @{ $self->{listen} };
    # few processes: quick to start, and a test that counts them stays readable
    my $size = $self->{mpm} eq 'prefork'
        ? "StartServers 2\nMinSpareServers 1\nMaxSpareServers 4\nMaxRequestWorkers 16\n"
        : "StartServers 1\nServerLimit 4\nThreadsPerChild 16\nMaxRequestWorkers 64\nMinSpareThreads 4\nMaxSpareThreads 64\n";
    my $cgi = $has{cgid_module} ? "ScriptSock $root/run/cgisock\n" : '';
    my $alias = $has{alias_module} ? "ScriptAlias /cgi/ $root/cgi/\n" : '';
    my $mime = $has{mime_module} ? "TypesConfig $root/conf/mime.types\n" : '';
    my $index = $has{dir_module} ? "DirectoryIndex index.html\n" : '';
    return <<"CONF";
${load}ServerRoot $root
DefaultRuntimeDir $root/run
PidFile $root/run/httpd.pid
ServerName localhost
${user}${listen}${size}${cgi}${alias}${mime}${index}LogLevel $self->{loglevel}
ErrorLog $root/logs/error_log
CustomLog $root/logs/access_log "%h %l %u %t \\"%r\\" %>s %b"
DocumentRoot $root/htdocs
EnableSendfile off
GracefulShutdownTimeout 5
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Directory $root>
    Options FollowSymLinks ExecCGI Includes
    AllowOverride All
    Require all granted
</Directory>
CONF
}

# --- running it -----------------------------------------------------------------------------------

# Environment and command prefix that put httpd under the tool the suite was asked to use.
sub report_dir {
    my $dir = $ENV{MODSSL_ASAN_LOG} || '/tmp/modssl-reports';
    make_path($dir);
    # httpd's children write there too, as another user when root started them
    chmod 01777, $dir;
    return $dir;
}

sub valgrind_prefix {
    return () if !is_valgrind();
    my $log = report_dir();
    return ('valgrind', '-q', '--error-exitcode=99', "--log-file=$log/valgrind.%p",
            $ENV{MODSSL_VALGRIND_SUPP} ? "--suppressions=$ENV{MODSSL_VALGRIND_SUPP}" : ());
}

sub sanitizer_env {
    return () if !is_asan();
    my $log = report_dir();
    my $leaks = $ENV{MODSSL_LEAKS} ? 1 : 0;
    return (
        LD_PRELOAD    => $ENV{MODSSL_ASAN},
        ASAN_OPTIONS  => "detect_leaks=$leaks:exitcode=99:log_path=$log/asan:disable_coredump=1:handle_segv=1"
                       . ($ENV{MODSSL_ASAN_OPTIONS} ? ":$ENV{MODSSL_ASAN_OPTIONS}" : ''),
        UBSAN_OPTIONS => "print_stacktrace=1:log_path=$log/ubsan",
        LSAN_OPTIONS  => 'suppressions=' . ($ENV{MODSSL_LSAN_SUPP} || File::Spec->rel2abs(dirname(__FILE__) . '/../../lsan.supp')) . ':' . 'print_suppressions=0',
    );
}

sub command {
    my ($self, @args) = @_;
    my @cmd = (valgrind_prefix(), httpd_binary(), '-d', $self->{root}, '-f', "$self->{root}/conf/httpd.conf", @args);
    # The dialog that asks for pass phrases wants a terminal.
    $ENV{SHELL} = '/bin/sh';    # else a newer script(1) takes the account's, which for www-data is nologin
    @cmd = ('script', '-qec', join(' ', map { quotemeta } @cmd), '/dev/null') if defined $self->{tty};
    return @cmd;
}

sub spawn {
    my ($self, $out, $limit, @args) = @_;
    my $input = defined $self->{tty} ? $self->{tty} : $self->{stdin};
    my ($from, $to);
    if (defined $input) {
        # A pipe that stays open: script(1) takes the end of its input for the end of the session.
        pipe $from, $to or die "pipe: $!\n";
        syswrite $to, $input;
        $self->{input_pipe} = $to if defined $self->{tty};
    }
    my @cmd = $self->command(@args);
    my %env = (sanitizer_env(), %{ $self->{env} });
    my $pid = fork;
    defined $pid or die "fork: $!\n";
    return $pid if $pid;

    POSIX::setsid();
    $from ? open(STDIN, '<&', $from) : open(STDIN, '<', '/dev/null');
    open STDOUT, '>>', $out or POSIX::_exit(126);
    open STDERR, '>&', \*STDOUT;
    close $to if $to;
    chdir $self->{root};
    # setpriv: a test that is killed takes its server along. timeout: nor does it live for ever otherwise.
    # env comes last so that LD_PRELOAD reaches nothing but httpd.
    { exec 'setpriv', '--pdeathsig', 'TERM', 'timeout', '-k', 5, $limit, 'env', (map { "$_=$env{$_}" } sort keys %env), @cmd }
    POSIX::_exit(127);
}

sub run {
    my ($self, @args) = @_;
    my $out = "$self->{root}/logs/run.$$." . ++$self->{runs};
    my $pid = $self->spawn($out, patience(60), @args);
    waitpid $pid, 0;
    my $status = $?;
    delete $self->{input_pipe};
    return ($status & 127 ? 128 + ($status & 127) : $status >> 8, slurp($out));
}

# CPU time of all processes, in clock ticks
sub cpu_ticks {
    my ($self) = @_;
    my $sum = 0;
    for my $pid ($self->pids) {
        open my $fh, '<', "/proc/$pid/stat" or next;
        my @f = split ' ', (<$fh> =~ /\) (.*)/)[0];
        $sum += $f[11] + $f[12];
    }
    return $sum;
}

sub configtest { my ($self) = @_; return $self->run('-t') }

sub start {
    my ($self) = @_;
    die "$self->{name}: already started\n" if $self->{watchdog};
    my $root = $self->{root};
    $self->{stderr} = "$root/logs/stderr";
    unlink $self->{stderr}, "$root/run/httpd.pid";
    spew($self->{stderr}, '');
    delete $self->{status};
    $self->{log_at_start} = -s "$root/logs/error_log" || 0;
    $self->{watchdog} = $self->spawn($self->{stderr}, $LIFETIME, '-DFOREGROUND');
    weaken($alive{"$self"} = $self);    # only END needs it: the last user's reference going away stops the server

    my $up = wait_for(patience(30), sub { $self->reaped || ($self->pid && $self->answers) });
    delete $alive{"$self"} if $self->reaped;
    if (!$up || !$self->{watchdog}) {
        $self->{gave_up} = !$up;
        $self->stop if $self->{watchdog};
        return 0;
    }
    if (!(grep { $_ eq 'ssl' } @{ $self->{without} })) {
        my $wrong = wrong_module_of($self->pid, $self->{so});
        if ($wrong) {
            $self->stop;
            die "$self->{name}: $wrong\n";
        }
    }
    return 1;
}

# True once the server we started has ended; keeps its exit status.
sub reaped {
    my ($self) = @_;
    my $watchdog = $self->{watchdog} or return 1;
    return 0 if waitpid($watchdog, WNOHANG) != $watchdog;
    $self->{status} = $?;
    delete @{$self}{qw(watchdog input_pipe)};
    return 1;
}

sub answers {
    my ($self) = @_;
    for my $port (values %{ $self->{ports} }) {
        my $sock = IO::Socket::INET->new(PeerAddr => $self->{address}, PeerPort => $port, Timeout => 2) or return 0;
    }
    # Listening starts before the first child does.
    return $self->errorlog_since($self->{log_at_start}) =~ /resuming normal operations/
        || $self->{loglevel} !~ /^(?:info|notice|debug|trace)/;
}

# Why the module in the running server is not the one under test; nothing when it is.
sub wrong_module_of {
    my ($pid, $so) = @_;
    $so ||= so_path();
    my @want = stat $so or return "no $so";
    my $maps = slurp("/proc/$pid/maps");
    my %loaded = map { $_ => 1 } $maps =~ m{(/\S*/mod_ssl[^/\s]*\.so)$}mg;
    return "no mod_ssl.so in the server's memory" if !%loaded;
    for my $file (keys %loaded) {
        my @got = stat $file or return "$file is loaded but gone";
        return "$file is loaded, not $so" if $got[0] != $want[0] || $got[1] != $want[1];
    }
    return;
}

sub why {
    my ($self) = @_;
    my $text = $self->{stderr} && -e $self->{stderr} ? slurp($self->{stderr}) : '';
    $text .= $self->errorlog_since($self->{log_at_start} || 0);
    $text .= "(the server neither answered nor ended)\n" if $self->{gave_up};
    if (defined $self->{status}) {
        my $signal = $self->{status} & 127;
        $text .= $signal ? "(killed by signal $signal)\n" : sprintf "(exit status %d)\n", $self->{status} >> 8;
    }
    return $text;
}

sub start_fails {
    my ($self) = @_;
    return $self->why if !$self->start;
    $self->stop;
    return undef;
}

sub pid {
    my ($self) = @_;
    my $file = "$self->{root}/run/httpd.pid";
    return 0 if !-s $file;
    my ($pid) = slurp($file) =~ /^(\d+)/;
    return $pid && -d "/proc/$pid" ? $pid : 0;
}

sub alive { my ($self) = @_; return $self->{watchdog} && !$self->reaped && $self->pid ? 1 : 0 }

# The main process and everything below it.
sub pids {
    my ($self) = @_;
    my $main = $self->pid or return;
    return ($main, descendants($main));
}

sub descendants {
    my ($top) = @_;
    my %children;
    for my $stat (glob '/proc/[0-9]*/stat') {
        my $text = eval { slurp($stat) } or next;
        my ($pid, $parent) = $text =~ /^(\d+) \(.*\) \S (\d+)/s or next;
        push @{ $children{$parent} }, $pid;
    }
    my (@found, @queue) = ();
    @queue = @{ $children{$top} || [] };
    while (defined(my $pid = shift @queue)) {
        push @found, $pid;
        push @queue, @{ $children{$pid} || [] };
    }
    return @found;
}

sub rss {
    my ($self) = @_;
    my $total = 0;
    for my $pid ($self->pids) {
        my $text = eval { slurp("/proc/$pid/status") } or next;
        $total += $1 if $text =~ /^VmRSS:\s+(\d+) kB/m;
    }
    return $total;
}

sub generations {
    my ($self) = @_;
    my $count = () = $self->errorlog_since(0) =~ /resuming normal operations/g;
    return $count;
}

sub signal_and_wait {
    my ($self, $signal) = @_;
    my $pid = $self->pid or return 0;
    my $before = $self->generations;
    kill $signal, $pid or return 0;
    my $back = wait_for(patience(20), sub { $self->reaped || $self->generations > $before });
    return $back && $self->{watchdog} && $self->answers ? 1 : 0;
}

sub graceful { my ($self) = @_; return $self->signal_and_wait('USR1') }
sub restart  { my ($self) = @_; return $self->signal_and_wait('HUP') }

sub stop {
    my ($self) = @_;
    delete $alive{"$self"};
    my $watchdog = $self->{watchdog} or return 1;
    my $main = $self->pid;
    my @family = ($watchdog, descendants($watchdog));
    kill 'TERM', $main || $watchdog;
    my $ended = wait_for(patience(10), sub { $self->reaped });
    if (!$ended) {
        @family = ($watchdog, descendants($watchdog));
        kill 'KILL', @family;
        waitpid $watchdog, 0;
        $self->{status} = $?;
        delete @{$self}{qw(watchdog input_pipe)};
    }
    return $ended ? 1 : 0;
}

# What the test's own programs (pass phrase dialogs) have written to run/calls since it was last asked.
sub calls {
    my ($self) = @_;
    my $file = "$self->{root}/run/calls";
    my $text = -e $file ? slurp($file) : '';
    unlink $file;
    return $text;
}

# --- logs -----------------------------------------------------------------------------------------

sub errorlog_since {
    my ($self, $offset) = @_;
    my $file = "$self->{root}/logs/error_log";
    return '' if !-e $file;
    my $text = slurp($file);
    return length $text > $offset ? substr($text, $offset) : '';
}

sub errorlog  { my ($self) = @_; return $self->errorlog_since($self->{mark}) }
sub log_mark  { my ($self) = @_; $self->{mark} = -s "$self->{root}/logs/error_log" || 0; return }

sub accesslog {
    my ($self, $name) = @_;
    my $file = "$self->{root}/logs/" . ($name || 'access_log');
    return -e $file ? slurp($file) : '';
}

sub errorlog_like {
    my ($self, $pattern, %o) = @_;
    my $wait = defined $o{wait} ? $o{wait} : 5;
    my $found;
    wait_for(patience($wait), sub { ($found) = $self->errorlog =~ /($pattern)/; defined $found });
    return $found;
}

# --- endings --------------------------------------------------------------------------------------

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;    # a forked child of the test owns nothing
    local ($?, $@, $!);
    $self->stop;
    if ($ENV{MODSSL_KEEP}) {
        print STDERR "# kept $self->{root}\n";
    }
    else {
        remove_tree($self->{root});
    }
}

END {
    local $?;
    $_->DESTROY for grep { $_ && $_->{owner} == $$ } values %alive;
}

1;
